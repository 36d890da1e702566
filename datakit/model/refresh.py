"""A record and newer metadata of its post: the three-way merge in which what people wrote in the record stays. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from datakit.model.merge import merge_records
from datakit.model.record import Record, Scraped, facts_digest, facts_of

_MOST_SEEN: Final = 64


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """A record that took news in."""

    record: Record
    added: dict[str, tuple[str, ...]] = {}
    """Category → tags that the record had in no category."""
    removed: dict[str, tuple[str, ...]] = {}
    moved: dict[str, tuple[str, str]] = {}
    """Tag → its category before and now."""
    fields: dict[str, tuple[Any, Any]] = {}
    """Other field → what it was and is."""
    disputes: tuple[str, ...] = ()
    """Fields that a person and the site both changed; the person's stay."""

    @property
    def is_visible(self) -> bool:
        """Whether anything but `upstream` and `seen` changed."""
        return bool(self.added or self.removed or self.moved or self.fields)


def is_older(record: Scraped, news: Scraped) -> bool:
    """Whether both say when the post was changed last, and the news says an earlier time."""
    return bool(news.updated_at and record.updated_at and news.updated_at < record.updated_at)


def refresh(record: Record, news: Scraped, said_last: Callable[[], Scraped | None]) -> Refreshed | None:
    """Take news into a record; None where it says what the record has seen, or something older.

    What the news does not say stays. Tags whose category the news does not know (it calls all of them general) keep
    the one that the record has for them.

    Args:
        record: as it stands, perhaps edited by hand.
        news: of the same post.
        said_last: what the site said last time, read again from the record's `upstream`, or None where that cannot be
            read; asked for where a person edited the record, to tell their changes from the site's.
    """
    digest = facts_digest(news)
    if digest in record.seen or is_older(record, news):
        return None
    ours = facts_of(record)
    theirs = _completed(news, ours)
    is_untouched = bool(record.seen) and facts_digest(ours) == record.seen[-1]
    base = ours if is_untouched else said_last() or Scraped()
    merged, disputes = merge_records(*map(_table, (base, ours, theirs)))
    facts = msgspec.convert(merged, Scraped)
    upstream = news.upstream if news.upstream is not None else record.upstream
    digests = [digest, facts_digest(facts)] if is_untouched else [digest]
    seen = tuple(dict.fromkeys((*record.seen, *digests)))[-_MOST_SEEN:]
    values = {**msgspec.structs.asdict(facts), "upstream": upstream, "seen": seen}
    return _compared(record, msgspec.structs.replace(record, **values), tuple(disputes))


def _completed(news: Scraped, ours: Scraped) -> Scraped:
    """The news, with what it does not say as the record has it."""
    silent = {
        name: getattr(ours, name)
        for name in Scraped.__struct_fields__
        if name != "upstream" and getattr(news, name) in (None, "", (), {})
    }
    tags = news.tags
    if set(tags) == {"general"} and len(ours.tags) > 1:
        tags = _sorted_in(tags["general"], ours)
    return msgspec.structs.replace(news, upstream=None, **{"tags": tags, **silent})


def _sorted_in(tags: tuple[str, ...], ours: Scraped) -> dict[str, tuple[str, ...]]:
    known = {tag: category for category, names in ours.tags.items() for tag in names}
    found: dict[str, list[str]] = {}
    for tag in tags:
        found.setdefault(known.get(tag, "general"), []).append(tag)
    return {category: tuple(names) for category, names in found.items()}


def _table(facts: Scraped) -> dict[str, Any]:
    """Fields that are set, as JSON values."""
    table: dict[str, Any] = msgspec.to_builtins(facts)
    table.pop("upstream", None)
    return table


def _compared(old: Record, new: Record, disputes: tuple[str, ...]) -> Refreshed:
    before, after = _categories(old), _categories(new)
    changed = [
        name
        for name in Scraped.__struct_fields__
        if name not in {"tags", "upstream"} and getattr(old, name) != getattr(new, name)
    ]
    return Refreshed(
        record=new,
        added=_by_category({tag: category for tag, category in after.items() if tag not in before}),
        removed=_by_category({tag: category for tag, category in before.items() if tag not in after}),
        moved={
            tag: (before[tag], category) for tag, category in after.items() if before.get(tag, category) != category
        },
        fields={name: (getattr(old, name), getattr(new, name)) for name in changed},
        disputes=disputes,
    )


def _categories(record: Scraped) -> dict[str, str]:
    return {tag: category for category, tags in record.tags.items() for tag in tags}


def _by_category(tags: dict[str, str]) -> dict[str, tuple[str, ...]]:
    names = sorted(set(tags.values()))
    return {name: tuple(tag for tag, category in tags.items() if category == name) for name in names}
