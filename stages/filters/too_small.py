"""The image has too few pixels: its shorter side, upright, or its area is under a limit.

A trainer enlarges what is smaller than its bucket, and the model learns the blur. The default of 256 px is the smallest
bucket side of the trainers' own defaults; for a model of 1024 px, 512 px and 0.4 megapixels keep only images that are
enlarged by less than 1.6.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.looks import FACTS
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.too-small]` of dsk.toml."""

    action: Action = "drop"
    """`off`, `flag` or `drop` images that are too small."""
    min_side_px: Annotated[int, msgspec.Meta(ge=0)] = 256
    """Least length of the shorter side; 0 allows any."""
    min_megapixels: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Least area, in millions of pixels; 0 allows any."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Its size, where that is under a limit."""
    width, height = subject.facts[FACTS.name]["oriented_size_px"]
    if min(width, height) < settings.min_side_px:
        return Verdict(
            reason=f"{width} x {height} px, its shorter side is under {settings.min_side_px} px",
            evidence={"size_px": [width, height], "min_side_px": settings.min_side_px},
        )
    if width * height < settings.min_megapixels * 1e6:
        return Verdict(
            reason=f"{width} x {height} px, under {settings.min_megapixels:g} megapixels",
            evidence={"size_px": [width, height], "min_megapixels": settings.min_megapixels},
        )
    return None


FILTER = Filter(
    name="too-small",
    words=("too small", "too small"),
    settings=Settings,
    judge=judge,
    looks=(FACTS,),
    rank=10,
)
