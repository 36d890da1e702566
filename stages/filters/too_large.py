"""The image has more pixels than anybody trains on: posters, scans, stitched pages.

A trainer scales it down, and until then it costs decoding time at every start: 50 megapixels take a second and more.
Rather than dropping such images, a step of `edited` can make them smaller.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.looks import FACTS
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.too-large]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images that are too large."""
    max_side_px: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Most length of the longer side; 0 allows any."""
    max_megapixels: Annotated[float, msgspec.Meta(ge=0)] = 50.0
    """Most area, in millions of pixels; 0 allows any."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Its size, where that is over a limit."""
    width, height = subject.facts[FACTS.name]["oriented_size_px"]
    if settings.max_side_px and max(width, height) > settings.max_side_px:
        return Verdict(
            reason=f"{width} x {height} px, its longer side is over {settings.max_side_px} px",
            evidence={"size_px": [width, height], "max_side_px": settings.max_side_px},
        )
    if settings.max_megapixels and width * height > settings.max_megapixels * 1e6:
        return Verdict(
            reason=f"{width} x {height} px, over {settings.max_megapixels:g} megapixels",
            evidence={"size_px": [width, height], "max_megapixels": settings.max_megapixels},
        )
    return None


FILTER = Filter(
    name="too-large", words=("too large", "too large"), settings=Settings, judge=judge, looks=(FACTS,), rank=11
)
