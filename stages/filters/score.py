"""The post has fewer points on its site than the dataset wants.

Scores of two sites do not compare, nor those of an old post and of one of yesterday. An image whose record says no
score is never told.
"""

from __future__ import annotations

import msgspec

from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.score]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images with a low score."""
    min_score: int = 0
    """Least score."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Its score, where that is too low."""
    score = subject.record.score if subject.record is not None else None
    if score is None or score >= settings.min_score:
        return None
    return Verdict(
        reason=f"score {score}, under {settings.min_score}", evidence={"score": score, "min_score": settings.min_score}
    )


FILTER = Filter(name="score", words=("low score", "low scores"), settings=Settings, judge=judge, rank=21)
