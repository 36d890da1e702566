"""What a trainer does with a folder of images and captions, as far as lint must know it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from datakit.registry import Family


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A trainer. Its module's docstring names the version that was read and its files."""

    name: str
    """As in `--for`: `sd-scripts`."""
    title: str
    """As its users write it."""
    image_extensions: frozenset[str]
    """Lower case, without dot. Other files are not seen, or break it."""
    upper_case_extensions: bool = True
    """Whether `.PNG` is read."""
    mixed_case_extensions: bool = True
    """Whether `.Png` is read."""
    caption_extensions: tuple[str, ...] = ("txt",)
    """Of the caption files that it reads, lower case, without dot; the first is its usual one."""
    reads_subfolders: bool
    """Whether images in folders below the one that it is given are found, unless asked for otherwise."""
    lines: Literal["first", "all", "variants"]
    """What it makes of a caption of several lines: the first alone trains, all as one text, or each as a caption of
    its own."""
    applies_exif: bool
    """Whether images are turned as EXIF says."""
    alpha: Literal["dropped", "white", "unknown"]
    """What becomes of transparency: the colour below shows, or white is laid below."""
    max_tokens: int
    """Tokens of CLIP that can train at most, marks not counted: 75, or more where chunks are encoded one by one."""
    drops_short_buckets: bool
    """Whether images of a bucket with fewer images than the batch are left out."""


TARGETS: Final = Family("datakit.lint.targets", Target, "TARGET", word="trainer to lint for")
