"""There is next to nothing in the image: one colour, a gradient, an empty page, a placeholder.

It has no edge anywhere, or its grey levels hold less information than `min_entropy_bits`: 0 bits for one level, about
0.3 for a white page of which 3 % is drawn, 1.2 for a black silhouette on white, 6 to 8 for paintings and photos. All
that is fully transparent is flat too. Transparent parts do not count.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.flat]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images with next to nothing in them."""
    min_entropy_bits: Annotated[float, msgspec.Meta(ge=0, le=8)] = 0.3
    """How much information a pixel's grey level must hold, 0 to 8."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Why there is nothing to be seen in it."""
    facts = subject.facts[MEASURED.name]
    entropy = facts.get("entropy_bits")
    if entropy is None:
        return Verdict(reason="all of it is transparent", evidence={"transparent": True})
    if entropy < settings.min_entropy_bits:
        return Verdict(
            reason=f"nearly one colour: {entropy:.2f} bits a pixel, under {settings.min_entropy_bits:g}",
            evidence={"entropy_bits": entropy, "min_entropy_bits": settings.min_entropy_bits},
        )
    if facts["sharpness"] is None:
        return Verdict(reason="no edge anywhere", evidence={"sharpness": None, "entropy_bits": entropy})
    return None


FILTER = Filter(name="flat", words=("flat", "flat"), settings=Settings, judge=judge, looks=(MEASURED,), rank=40)
