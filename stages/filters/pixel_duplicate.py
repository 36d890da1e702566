"""The same picture as another image, pixel for pixel, in another file.

A PNG saved again by another program, or with its metadata removed, shows the very same pixels and has other bytes.
Both are compared upright, in sRGB and with their transparency; colour that transparency hides does not count. A JPEG
that was saved again is another picture: that is what `near-duplicate` is for. One stays, as of exact duplicates: one
with tags before one without, then one with a caption that came along, then the first by name.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datakit.images.looks import PIXELS
from datakit.model.stage import Subject
from stages.filters.keepers import all_but_one
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.pixel-duplicate]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` all but one of the images that show the same pixels."""


def compare(subjects: Sequence[Subject], settings: Settings) -> dict[str, Verdict]:
    """All but one of each group of images with the same pixels."""
    return all_but_one(subjects, lambda one: str(one.facts[PIXELS.name]["digest"]), same="pixels", name="pixels")


FILTER = Filter(
    name="pixel-duplicate",
    words=("pixel duplicate", "pixel duplicates"),
    settings=Settings,
    compare=compare,
    looks=(PIXELS,),
    scope="all",
    rank=61,
)
