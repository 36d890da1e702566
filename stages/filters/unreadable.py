"""The file is empty, truncated, damaged, no image, or too large to be decoded safely.

Every image is decoded completely, so a file that ends too early is found, which a look at its header does not show.
No trainer can use such a file, and some stop at it. The reason is the decoder's.
"""

from __future__ import annotations

import msgspec

from datakit.images.looks import FACTS
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.unreadable]` of dsk.toml."""

    action: Action = "drop"
    """`off`, `flag` or `drop` images that cannot be decoded."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """What the decoder said."""
    reason = subject.facts[FACTS.name].get("unreadable", "")
    return Verdict(reason=reason, evidence={"reason": reason}) if reason else None


FILTER = Filter(
    name="unreadable",
    words=("unreadable", "unreadable"),
    settings=Settings,
    judge=judge,
    looks=(FACTS,),
    judges_unreadable=True,
    rank=0,
)
