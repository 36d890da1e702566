"""The image looks explicit to the small model that comes with dsk, and its site gave it no rating.

Images that have a rating are judged by it: the site's people saw them, so the rule looks at the others alone, unless
`rated_too` says otherwise. It is a hint: none of 13 clothed sprites of two visual novels is over 0.31, one of 241
painted portraits is over 0.5, and so are two micrographs of skin-coloured tissue among 26 photos and test images.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.model.stage import Subject
from datakit.taggers.drawn import DRAWN, explicit_score, see
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.explicit-looking]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images without a rating that look explicit."""
    max_explicit: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.7
    """How sure the model may be that it is explicit."""
    rated_too: bool = False
    """Judge also images that have a rating."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """The model's score, where it is too high."""
    if not settings.rated_too and subject.record is not None and subject.record.rating:
        return None
    score = explicit_score(subject.facts[DRAWN.name])
    if score <= settings.max_explicit:
        return None
    return Verdict(
        reason=f"looks explicit: {score:.2f}, over {settings.max_explicit:g}",
        evidence={"explicit": score, "max_explicit": settings.max_explicit},
    )


FILTER = Filter(
    name="explicit-looking",
    words=("explicit-looking", "explicit-looking"),
    settings=Settings,
    judge=judge,
    looks=(DRAWN,),
    answers={DRAWN.name: see},
)
