"""Bars of one colour stand at the sides of the image, as of a film on a screen of another shape.

A bar runs along a whole side in one colour, within JPEG's noise, and ends all at once: most of the line after it
differs. So the plain background of a drawing is none, where the figure begins with the tip of a hair. Found in none of
241 portraits, 8 sprites, 28 painted scenes and 28 photos. A step of `edited` can cut bars off.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.letterbox]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images with bars at their sides."""
    min_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.02
    """Part of the width or height that bars must take, 0 to 1; thinner ones do no harm."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """The widths of its bars."""
    facts = subject.facts[MEASURED.name]
    width, height = facts["oriented_size_px"]
    left, top, right, bottom = facts["bars_px"]
    share = max((left + right) / max(1, width), (top + bottom) / max(1, height))
    if share <= settings.min_share:
        return None
    sides = {"left": left, "top": top, "right": right, "bottom": bottom}
    told = ", ".join(f"{side} {size} px" for side, size in sides.items() if size)
    return Verdict(
        reason=f"bars at its sides: {told}",
        evidence={"bars_px": [left, top, right, bottom], "share": round(share, 4), "min_share": settings.min_share},
    )


FILTER = Filter(
    name="letterbox", words=("letterboxed", "letterboxed"), settings=Settings, judge=judge, looks=(MEASURED,)
)
