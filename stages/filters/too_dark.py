"""Nearly all of the image is black: a failed capture, an unlit scene.

Told by the lightest pixels: 99 of 100 are darker than `min_lightest`. A night scene with one lamp has light pixels; of
241 painted portraits, mostly dark, the darkest reaches 0.47, of 28 photos and images of science 0.46. Transparent parts
do not count.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.too-dark]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images that are too dark."""
    min_lightest: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.25
    """How light the lightest hundredth must be, 0 (black) to 1 (white)."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """How light it gets, where that is not enough."""
    value, limit = subject.facts[MEASURED.name].get("lightest"), settings.min_lightest
    if value is None or value >= limit:
        return None
    return Verdict(
        reason=f"too dark: its lightest pixels are at {value:.2f}, under {limit:g}",
        evidence={"lightest": value, "min_lightest": limit},
    )


FILTER = Filter(name="too-dark", words=("too dark", "too dark"), settings=Settings, judge=judge, looks=(MEASURED,))
