"""The tags that rules of the filter see: those of the record, and of the caption that came along."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain

from datakit.model.stage import Subject
from datakit.tags.captions import parse_tags
from datakit.tags.patterns import TagPatterns


def tags_of(subject: Subject) -> tuple[str, ...]:
    """Canonical names, each once, in the order of the record's categories."""
    own = chain.from_iterable(subject.record.tags.values()) if subject.record is not None else ()
    return tuple(dict.fromkeys([*own, *parse_tags(subject.scraped_caption or "")]))


@lru_cache(maxsize=64)
def patterns(spelled: tuple[str, ...]) -> TagPatterns:
    """What a list of tags in dsk.toml means."""
    return TagPatterns(spelled)
