"""dsk tags: which tags there are, how often, beside which others, and which are probably misspelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from datakit.actions.finding import choose_stage, late_words
from datakit.actions.project import Project
from datakit.errors import UsageError
from datakit.model.progress import Progress, silent
from datakit.model.record import CATEGORIES
from datakit.repo.finding.looking import BegunLook
from datakit.repo.finding.table import Place, Table, with_table
from datakit.tags.names import to_canonical
from datakit.tags.query.parsing import And, Match, Node, Pattern, format_query, parse_query
from datakit.tags.typos import Typo, find_typos

T = TypeVar("T")
_WELL_KNOWN: Final = 50
"""Posts that a name of the vocabulary has at least where a tag is taken for its misspelling."""
_FREQUENT: Final = 5
_TIMES: Final = 10
"""Without a vocabulary: how often a tag occurs at least, and how many times as often as its misspelling."""


class TagCount(msgspec.Struct, frozen=True, kw_only=True):
    """One tag."""

    tag: str
    count: int
    """Items that have it."""
    category: str = ""
    """As the records say, or else the vocabulary; '' where neither knows it."""


class Companion(msgspec.Struct, frozen=True, kw_only=True):
    """A tag beside another."""

    tag: str
    count: int
    """Items that have both."""
    alone: int
    """Items that have this one, with or without the other."""
    share: float
    """Of the items with the other tag, how many have this one: 0 to 1."""
    lift: float
    """How many times as often it occurs beside the other as among all items."""
    jaccard: float
    """Items with both over items with either: 0 to 1."""
    category: str = ""


class Misspelling(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that is probably meant to be another."""

    tag: str
    count: int
    meant: str
    meant_count: int
    """Posts that the vocabulary says, or items here."""
    distance: int
    """Letters that are wrong."""


class TagReport(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of the items that a query finds."""

    stage: str
    query: str
    num_items: int
    num_tags: int
    """Different ones, before any were left out."""
    tags: tuple[TagCount, ...] | tuple[Companion, ...] | tuple[Misspelling, ...]


def count_tags(
    project: Project, query: str = "", *, stage: str = "", rare: int = 0, look: Look | None = None
) -> TagReport:
    """How many of the items have each tag, the commonest first; with `rare`, only tags with at most so many.

    Raises:
        UsageError: not a query, or no such stage.
    """

    def work(table: Table, node: Node, place: Place) -> TagReport:
        counts = tag_counts(table, node)
        categories = categories_of(project, table)
        rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
        kept = [row for row in rows if not rare or row[1] <= rare]
        tags = tuple(TagCount(tag=tag, count=count, category=categories(tag)) for tag, count in kept)
        return _report(table, node, place, len(counts), tags)

    return _with_query(project, query, stage, work, look or Look())


def companions(project: Project, tag: str, query: str = "", *, stage: str = "", look: Look | None = None) -> TagReport:
    """The tags beside `tag`, those with most items in common first.

    Raises:
        UsageError: not a query, no such stage, or no item has the tag.
    """
    name = to_canonical(tag)

    def work(table: Table, node: Node, place: Place) -> TagReport:
        both = And((node, Match("tag", (Pattern("is", name),))))
        total, together = tag_counts(table, node), tag_counts(table, both)
        number, own = sum(bits.bit_count() for _, bits in table.bits(node)), together.pop(name, 0)
        if not own:
            raise UsageError(f"no item in {place.stage} has the tag '{tag}'", hint="dsk tags lists them")
        categories = categories_of(project, table)
        rows = [
            Companion(
                tag=other,
                count=count,
                alone=total[other],
                share=count / own,
                lift=count * number / (own * total[other]),
                jaccard=count / (own + total[other] - count),
                category=categories(other),
            )
            for other, count in together.items()
        ]
        return _report(table, node, place, len(total), tuple(sorted(rows, key=lambda row: (-row.count, row.tag))))

    return _with_query(project, query, stage, work, look or Look())


def misspellings(project: Project, query: str = "", *, stage: str = "", look: Look | None = None) -> TagReport:
    """Tags that the vocabulary does not know and that are near one it knows; without one, near a frequent tag.

    Raises:
        UsageError: not a query, or no such stage.
    """
    vocabulary = project.vocabulary

    def work(table: Table, node: Node, place: Place) -> TagReport:
        counts = tag_counts(table, node)
        if len(vocabulary):
            triggers = project_triggers(project)
            unknown = {tag: count for tag, count in counts.items() if tag not in vocabulary and tag not in triggers}
            aliases = {tag: name for tag in unknown if (name := vocabulary.canonical(tag)) != tag}
            known = {name: count for name in vocabulary.names() if (count := vocabulary.count(name)) >= _WELL_KNOWN}
            found = find_typos({tag: unknown[tag] for tag in unknown.keys() - aliases.keys()}, known, times=0)
            found += [Typo(tag, counts[tag], name, vocabulary.count(name), 0) for tag, name in aliases.items()]
        else:
            frequent = {tag: count for tag, count in counts.items() if count >= _FREQUENT}
            found = find_typos(counts, frequent, times=_TIMES)
        rows = [
            Misspelling(**msgspec.structs.asdict(one)) for one in sorted(found, key=lambda one: (-one.count, one.tag))
        ]
        return _report(table, node, place, len(counts), tuple(rows))

    return _with_query(project, query, stage, work, look or Look())


class Look(msgspec.Struct, frozen=True):
    """How the index is looked at."""

    begun: BegunLook | None = None
    """A look at the work tree that began already."""
    progress: Progress = silent


def tag_counts(table: Table, node: Node) -> Counter[str]:
    """Tag → number of the items that a query finds and that have it."""
    found: Counter[str] = Counter()
    for part, bits in table.bits(node):
        found.update(part.segment.count_within("tag", bits))
    return found


def categories_of(project: Project, table: Table) -> Callable[[str], str]:
    """The category of a tag, as most records say, or else the vocabulary."""
    found: dict[str, tuple[int, str]] = {}
    for category in CATEGORIES:
        for part in table.parts:
            for tag, count in zip(part.segment.values(category), part.segment.counts(category), strict=True):
                if count > found.get(tag, (0, ""))[0]:
                    found[tag] = count, category
    return lambda tag: found[tag][1] if tag in found else project.vocabulary.category(tag)


def project_triggers(project: Project) -> frozenset[str]:
    """Trigger words, as tags: they are nobody's misspellings."""
    settings = project.settings("cleaned")
    return frozenset(_triggers(settings.trigger, *settings.triggers.values()))


def _triggers(*texts: str) -> Iterator[str]:
    for text in texts:
        yield from filter(None, map(to_canonical, text.split(",")))


def _report(table: Table, node: Node, place: Place, num_tags: int, tags: tuple[T, ...]) -> TagReport:
    number = sum(bits.bit_count() for _, bits in table.bits(node))
    return TagReport(stage=place.stage, query=format_query(node), num_items=number, num_tags=num_tags, tags=tags)  # type: ignore[arg-type]


def _with_query(
    project: Project, query: str, stage: str, work: Callable[[Table, Node, Place], TagReport], look: Look
) -> TagReport:
    dataset = project.dataset
    node, root = parse_query(query), dataset.head_tree
    place = Place(root, choose_stage(dataset, root, stage), look.begun, progress=look.progress)
    late = late_words(dataset, place)
    return with_table(dataset, place, lambda table: work(table, node, place), late=late)
