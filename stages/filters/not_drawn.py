"""The image is not drawn: a photo, a screenshot, a page of text.

The small model that comes with dsk says how sure it is that an image is drawn. Of 13 sprites of two visual novels the
least sure is 0.998; of 16 photos 15 are under 0.03 and one is at 0.63. Painted pictures it often takes for photos: of
241 portraits of fantasy figures 34 are under 0.1, most of them animals, and of 4 painted rooms and landscapes 2. Flat
vector avatars lie anywhere between 0.01 and 0.93. Flag first, look, then drop.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.model.stage import Subject
from datakit.taggers.drawn import DRAWN, drawn_score, see
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.not-drawn]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images that are not drawn."""
    min_drawn: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    """How sure the model must be that it is drawn; 0.5 keeps only what is rather drawn than not."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """The model's score, where it is too low."""
    score = drawn_score(subject.facts[DRAWN.name])
    if score >= settings.min_drawn:
        return None
    return Verdict(
        reason=f"looks like no drawing: {score:.2f}, under {settings.min_drawn:g}",
        evidence={"drawn": score, "min_drawn": settings.min_drawn},
    )


FILTER = Filter(
    name="not-drawn",
    words=("not drawn", "not drawn"),
    settings=Settings,
    judge=judge,
    looks=(DRAWN,),
    answers={DRAWN.name: see},
)
