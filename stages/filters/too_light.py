"""Nearly all of the image is white: overexposed, faded, a page with a few strokes.

Told by the darkest pixels: 99 of 100 are lighter than `max_darkest`. A sketch on white paper is told when its lines
cover less than a hundredth of the page, or are pale. Of portraits, sprites, scenes and photos the palest is at 0.5.
Transparent parts do not count.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.too-light]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images that are too light."""
    max_darkest: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8
    """How dark the darkest hundredth must be, 0 (black) to 1 (white)."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """How dark it gets, where that is not enough."""
    value, limit = subject.facts[MEASURED.name].get("darkest"), settings.max_darkest
    if value is None or value <= limit:
        return None
    return Verdict(
        reason=f"too light: its darkest pixels are at {value:.2f}, over {limit:g}",
        evidence={"darkest": value, "max_darkest": limit},
    )


FILTER = Filter(name="too-light", words=("too light", "too light"), settings=Settings, judge=judge, looks=(MEASURED,))
