"""The image is much longer than wide, or much wider than long: strips, banners, panoramas.

A trainer puts an image into the bucket whose shape is nearest, and cuts off what does not fit. Buckets reach from 1:4
to 4:1 at most (Podell et al., SDXL, 2023, appendix I), and those of the trainers' defaults less far; 3 keeps clear of
that. Of 241 painted portraits, 28 scenes and 8 sprites none is over 2.1.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.looks import FACTS
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.aspect-ratio]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images of an odd shape."""
    max_ratio: Annotated[float, msgspec.Meta(ge=1)] = 3.0
    """How many times as long as its shorter side the longer one may be."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Its ratio, where that is too high."""
    width, height = subject.facts[FACTS.name]["oriented_size_px"]
    ratio = max(width, height) / max(1, min(width, height))
    if ratio <= settings.max_ratio:
        return None
    return Verdict(
        reason=f"{width} x {height} px, {ratio:.1f} to 1, over {settings.max_ratio:g}",
        evidence={"size_px": [width, height], "ratio": round(ratio, 3), "max_ratio": settings.max_ratio},
    )


FILTER = Filter(
    name="aspect-ratio", words=("odd shape", "odd shapes"), settings=Settings, judge=judge, looks=(FACTS,), rank=12
)
