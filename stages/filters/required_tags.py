"""The image lacks a tag that the dataset wants of every image, such as `solo`, or one of `1girl` and `1boy`.

Tags are those of the post and of the caption that came along. An entry may be written with spaces or underscores, and
with `*` for any letters: `*_hair`. An image without any tag is told only with `untagged`: nobody has looked at it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict
from stages.filters.tagged import patterns, tags_of


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.required-tags]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images without the tags."""
    all: tuple[str, ...] = ()
    """Tags that every image must have."""
    any: tuple[str, ...] = ()
    """Tags of which every image must have one."""
    untagged: bool = False
    """Whether images without any tag are told too."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Which tags it lacks."""
    tags = tags_of(subject)
    if not tags and not settings.untagged:
        return None
    lacking = [wanted for wanted in settings.all if not _has(tags, (wanted,))]
    evidence: dict[str, Any] = {"lacking": lacking}
    if lacking:
        return Verdict(reason=f"not tagged {', '.join(lacking)}", evidence=evidence)
    if settings.any and not _has(tags, settings.any):
        evidence = {"lacking_all_of": list(settings.any)}
        return Verdict(reason=f"tagged none of {', '.join(settings.any)}", evidence=evidence)
    return None


def _has(tags: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    meant = patterns(wanted)
    return any(tag in meant for tag in tags)


FILTER = Filter(name="required-tags", words=("lacks a tag", "lack a tag"), settings=Settings, judge=judge, rank=23)
