"""The image is grey, black and white, or all of one tint.

Whether a file is stored as greyscale does not matter: most grey images are stored in colour. Grey is where in 99 of
100 pixels the channels differ by no more than `max_chroma`; JPEG makes greys that differ by 3 or 4. Of 241 painted
portraits the palest has 18. With `tinted`, sepia and blueprints count too: their colours lie on one line,
within `max_hues`. That also finds brown portraits in candlelight (2.6), so look before you drop.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.monochrome]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images without colours."""
    max_chroma: Annotated[float, msgspec.Meta(ge=0, le=255)] = 12.0
    """Levels by which the channels of a grey pixel may differ."""
    tinted: bool = False
    """Whether images of one tint count too."""
    max_hues: Annotated[float, msgspec.Meta(ge=0, le=255)] = 2.0
    """Levels by which the colours of one tint may stray from it."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """How little colour it has."""
    facts = subject.facts[MEASURED.name]
    if "chroma" not in facts:
        return None
    if facts["chroma"] <= settings.max_chroma:
        return Verdict(
            reason=f"greyscale: its channels differ by {facts['chroma']:g} of 255",
            evidence={"chroma": facts["chroma"], "max_chroma": settings.max_chroma},
        )
    if settings.tinted and facts["hues"] <= settings.max_hues:
        return Verdict(
            reason=f"of one tint: its colours stray from it by {facts['hues']:.1f} of 255",
            evidence={"hues": facts["hues"], "max_hues": settings.max_hues},
        )
    return None


FILTER = Filter(
    name="monochrome", words=("monochrome", "monochrome"), settings=Settings, judge=judge, looks=(MEASURED,)
)
