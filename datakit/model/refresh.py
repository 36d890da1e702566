"""A record and newer metadata of its post: the three-way merge in which what people wrote in the record stays. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from datakit.model.merge import merge_records
from datakit.model.record import Record, Scraped, facts_digest, facts_of

_MOST_SEEN: Final = 64
_OF_NEWS: Final = ("upstream", "updated_at")
"""What nobody edits: it comes with the newest news."""


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
    if theirs == ours and news.upstream is None:
        return None  # such as a post's id in a file's name, where the record has it
    is_untouched = bool(record.seen) and facts_digest(ours) == record.seen[-1]
    base = ours if is_untouched else _sorted_as(ours, said_last() or Scraped())
    merged, disputes = merge_records(*map(_table, (base, ours, theirs)))
    facts = _each_tag_once(msgspec.convert(merged, Scraped), ours)
    upstream = news.upstream if news.upstream is not None else record.upstream
    digests = [digest, facts_digest(facts)] if is_untouched else [digest]
    seen = _seen(record.seen, digests)
    values = {**msgspec.structs.asdict(facts), "upstream": upstream, "seen": seen}
    return _compared(record, msgspec.structs.replace(record, **values), tuple(disputes))


def _completed(news: Scraped, ours: Scraped) -> Scraped:
    """The news, with what it does not say as the record has it."""
    silent = {
        name: getattr(ours, name)
        for name in Scraped.__struct_fields__
        if name != "upstream" and getattr(news, name) in (None, "", (), {})
    }
    return msgspec.structs.replace(_sorted_as(ours, news), upstream=None, **silent)


def _sorted_as(ours: Scraped, facts: Scraped) -> Scraped:
    """Facts that call all tags general, with the categories that the record has for them."""
    if set(facts.tags) != {"general"} or len(ours.tags) < 2:
        return facts
    known = _categories(ours)
    found: dict[str, list[str]] = {}
    for tag in facts.tags["general"]:
        found.setdefault(known.get(tag, "general"), []).append(tag)
    return msgspec.structs.replace(facts, tags={category: tuple(names) for category, names in found.items()})


def _each_tag_once(facts: Scraped, ours: Scraped) -> Scraped:
    """Without the second place of a tag that a person has in one category and the site in another."""
    places = [(tag, category) for category, tags in facts.tags.items() for tag in tags]
    chosen = dict(reversed(places))
    if len(chosen) == len(places):
        return facts
    chosen |= {tag: category for tag, category in _categories(ours).items() if tag in facts.tags.get(category, ())}
    kept = {name: tuple(tag for tag in tags if chosen[tag] == name) for name, tags in facts.tags.items()}
    return msgspec.structs.replace(facts, tags={name: tags for name, tags in kept.items() if tags})


def _seen(earlier: Sequence[str], later: Sequence[str]) -> tuple[str, ...]:
    """Digests of both, the later ones last, and not without end."""
    return (*(digest for digest in earlier if digest not in later), *dict.fromkeys(later))[-_MOST_SEEN:]


def merge_refreshed(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Two branches' records of one item: as `merge_records`, where both took news in, too.

    The newer news holds then, in all that a site says if nobody edited either record. So what was read at two times is
    no dispute; whatever a person wrote on one side, and the other side has otherwise, is.
    """
    merged, disputes = merge_records(base, ours, theirs)
    before, here, there = map(_heard, (base, ours, theirs))
    if here in (before, there) or there == before or not (here and there):
        return merged, disputes
    older, newer = (ours, theirs) if _is_newer(theirs, ours) else (theirs, ours)
    names = Scraped.__struct_fields__ if _is_as_said(ours) and _is_as_said(theirs) else _OF_NEWS
    for name in names:
        merged[name] = newer.get(name)
    merged["seen"] = list(_seen(older["seen"], newer["seen"]))
    left = [name for name in disputes if name not in {*names, "seen"}]
    return {name: value for name, value in merged.items() if value is not None}, left


def _heard(table: Mapping[str, Any]) -> list[str]:
    """A record's `seen`; none where a person made something else of it."""
    seen = table.get("seen")
    return seen if isinstance(seen, list) and all(isinstance(digest, str) for digest in seen) else []


def _is_newer(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether `one` has heard what `other` heard last and more, or of a later change of the post."""
    if other["seen"][-1] in one["seen"] or one["seen"][-1] in other["seen"]:
        return bool(one["seen"][-1] not in other["seen"])
    return str(one.get("updated_at", "")) > str(other.get("updated_at", ""))


def _is_as_said(table: Mapping[str, Any]) -> bool:
    """Whether nobody edited a record since its last news."""
    try:
        return facts_digest(msgspec.convert({**table}, Record)) == str(table["seen"][-1])
    except msgspec.ValidationError:
        return False


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
