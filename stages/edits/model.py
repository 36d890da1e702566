"""What a step of `edited` is: a pure change of a picture, or of a file whose pixels stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from datakit.images.convert import Extension
from datakit.images.measure import ImageFacts
from datakit.images.picture import Picture
from datakit.registry import Family


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a changed image is written as."""

    extension: Extension
    quality: int = 95
    """Of JPEG."""


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One operation on images: `apply` changes pixels, `rewrite` a file's bytes around them, `writes` the format."""

    name: str
    """Kebab-case, as the module: `crop-borders`."""
    words: str
    """In a summary, of images that it changed: `cropped`."""
    settings: type[msgspec.Struct]
    """What stands beside `do` in `[[edited.steps]]`: frozen, strict, every field with a default and a docstring."""
    concerns: Callable[[ImageFacts, Any], bool]
    """(what an image's header shows, settings) → whether the image may have to change. Of a changed image: its size
    and format as they are by then."""
    apply: Callable[[Picture, Any], Picture] | None = None
    """(a picture in sRGB and upright, settings) → the changed one; the very same where nothing had to change."""
    rewrite: Callable[[bytes, Any, str], bytes] | None = None
    """(a file, settings, its format) → the file with the same pixels. Asked only where no pixels changed, since what
    is written anew holds nothing but pixels."""
    writes: Callable[[Any], Written] | None = None
    """Settings → what images are written as, those that another step changed too."""
    uses: Callable[[Any], Mapping[str, str]] | None = None
    """Settings → name and version of what else the result depends on; '' where it is not here."""
    is_always: bool = False
    """Whether every image goes through it, so that no step names it."""
    version: int = 1
    """Raised whenever the same picture and settings would give another one."""


EDITS: Final[Family[Edit]] = Family("stages.edits", Edit, "EDIT", word="step")


def edit_named(name: str) -> Edit:
    """The edit that is called so, as in `do = "crop-borders"`.

    Raises:
        UsageError: no such edit.
    """
    return EDITS.load(name.replace("-", "_"))
