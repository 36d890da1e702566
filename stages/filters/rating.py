"""The site rates the post otherwise than the dataset wants.

Ratings are danbooru's four, `general`, `sensitive`, `questionable` and `explicit`; those of other sites were translated
when they came in. An image whose record says no rating is told only with `unrated`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from datakit.model.record import RATINGS
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict

Rating = Literal["general", "sensitive", "questionable", "explicit"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.rating]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images of other ratings."""
    allowed: tuple[Rating, ...] = ("general", "sensitive")
    """Ratings that may stay."""
    unrated: bool = False
    """Whether images without a rating are told too."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Its rating, where that is not allowed."""
    rating = subject.record.rating if subject.record is not None else ""
    if rating in settings.allowed or (rating not in RATINGS and not settings.unrated):
        return None
    return Verdict(
        reason=f"rated {rating}" if rating else "no rating",
        evidence={"rating": rating, "allowed": list(settings.allowed)},
    )


FILTER = Filter(name="rating", words=("other rating", "other ratings"), settings=Settings, judge=judge, rank=20)
