"""dsk traits: the tags that describe a concept's fixed traits, and leaving them to its trigger."""

from __future__ import annotations

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from datakit.actions.finding import late_words
from datakit.actions.project import Counted, Project
from datakit.actions.tagcounts import categories_of, project_triggers
from datakit.config import CONFIG_NAME
from datakit.errors import StateError, UsageError
from datakit.model.progress import Progress, silent
from datakit.registry import nearest
from datakit.repo.finding.segment import Part
from datakit.repo.finding.table import Place, Table, with_table
from datakit.repo.operations.transaction import transaction
from datakit.tags.names import to_canonical
from datakit.tags.patterns import TagPatterns
from datakit.tags.renaming import Renames
from datakit.tags.traits import Counts, Trait, find_traits

STAGE: Final = "captioned"
"""Whose captions are looked at: the next stage takes the traits out."""
_CLEANED: Final = "cleaned"
_PRUNE: Final = "prune"


class ConceptTraits(msgspec.Struct, frozen=True, kw_only=True):
    """The frequent tags of one concept."""

    concept: str
    num_items: int
    """With a caption."""
    trigger: str
    """That takes the traits over; '' where there is none yet."""
    tags: tuple[Trait, ...]
    suggested: tuple[str, ...]
    """Traits that are not pruned yet."""


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What `dsk traits --apply` wrote."""

    commit: str
    """40 hex digits; '' where nothing changed."""
    subject: str
    added: Mapping[str, tuple[str, ...]]
    """Concept → tags that `[cleaned.prune]` has now and had not before."""
    without_trigger: tuple[str, ...] = ()
    """Those of them that have no trigger which could take the traits over."""


def list_traits(
    project: Project, concept: str = "", *, at_least: float = 0.8, progress: Progress = silent
) -> list[ConceptTraits]:
    """The tags that at least so many of each concept's items have, or of the one that is named.

    Raises:
        UsageError: there is no such concept, or nothing has a caption.
    """
    looked = _look_at(project, concept, progress)
    if not looked.names:
        raise UsageError(f"nothing in {STAGE} has a caption", hint=f"dsk advance {STAGE} comes first")
    _check_concept(concept, looked.names)
    settings = project.settings(_CLEANED)
    canonical = project.vocabulary.canonical if settings.aliases else None
    found = []
    for name, counts in looked.concepts.items():
        pruned = TagPatterns(settings.prune.get(name, ()), canonical=canonical)
        tags = find_traits(counts, at_least=at_least, category_of=looked.category_of, is_pruned=pruned.__contains__)
        trigger = settings.triggers.get(name, settings.trigger)
        suggested = tuple(one.tag for one in tags if one.kind == "trait" and not one.is_pruned)
        found.append(
            ConceptTraits(
                concept=name, num_items=counts.num_here, trigger=trigger, tags=tuple(tags), suggested=suggested
            )
        )
    return found


def apply_traits(
    project: Project, concept: str = "", tags: Sequence[str] = (), *, at_least: float = 0.8, progress: Progress = silent
) -> Pruned:
    """Write traits into `[cleaned.prune]` of dsk.toml: those that are suggested, or the given tags of one concept.

    Raises:
        UsageError: no such concept, tags without a concept, or a tag that none of the concept's items have.
        StateError: dsk.toml is written in a way that cannot be added to.
    """
    if tags and not concept:
        raise UsageError("tags are a concept's traits", hint="dsk traits CONCEPT TAG... --apply")
    rows = list_traits(project, concept, at_least=0.0 if tags else at_least, progress=progress)
    wanted = {row.concept: row.suggested for row in rows}
    if tags:
        wanted = {concept: _given(project, tags, rows[0])}
    with transaction(project.dataset, "traits") as txn:
        path = project.dataset.root / CONFIG_NAME
        old = path.read_bytes().decode("utf-8-sig")
        new, added = _with_prune(old, wanted)
        subject = _subject(added)
        if added:
            txn.put(CONFIG_NAME, new.encode())
        txn.args = {"concept": concept, "tags": list(tags), "at_least": at_least}
        commit = txn.commit(subject) if added else None
    missing = tuple(row.concept for row in rows if row.concept in added and not row.trigger)
    return Pruned(commit=commit or "", subject=subject, added=added, without_trigger=missing)


class _Looked(NamedTuple):
    """What the captions say."""

    concepts: dict[str, Counts]
    """Those that were asked for and have a caption."""
    names: tuple[str, ...]
    """All that have a caption."""
    category_of: Callable[[str], str]


def _look_at(project: Project, concept: str, progress: Progress) -> _Looked:
    """How often the items of each concept, or of the one that is named, have each tag, as `cleaned` will name it."""

    def work(table: Table) -> _Looked:
        total, num_total = _count(table, project, "")
        names = tuple(sorted(name for name, number in _sizes(table).items() if number))
        concepts = {}
        for name in names:
            if name == concept or not concept:
                here, num_here = _count(table, project, name, is_whole=False)
                elsewhere = {tag: total[tag] - number for tag, number in here.items()}
                concepts[name] = Counts(
                    here=here, num_here=num_here, elsewhere=elsewhere, num_elsewhere=num_total - num_here
                )
        return _Looked(concepts, names, categories_of(project, table))

    dataset = project.dataset
    place = Place(dataset.head_tree, STAGE, progress=progress)
    return with_table(dataset, place, work, late=late_words(dataset, place))


def _sizes(table: Table) -> Counter[str]:
    """Concept → items with a caption."""
    found: Counter[str] = Counter()
    for part in table.parts:
        found.update(part.segment.count_within("concept", _captioned(part)))
    return found


def _count(table: Table, project: Project, concept: str, *, is_whole: bool = True) -> tuple[Counter[str], int]:
    """(Tag → items with it, number of items) of a concept, or of all."""
    renames, triggers = renames_of(project), project_triggers(project)
    found: Counter[str] = Counter()
    number = 0
    for part in table.parts:
        segment = part.segment
        rows = _captioned(part)
        if not is_whole:
            rows &= segment.having("concept", (concept,))
        number += rows.bit_count()
        spelled: dict[str, dict[str, int]] = defaultdict(dict)
        for tag, count in segment.count_within("tag", rows).items():
            for name in renames.names(tag):
                spelled[name][tag] = count
        for name, counts in spelled.items():
            if name not in triggers:
                several = len(counts) > 1
                found[name] += (segment.having("tag", counts) & rows).bit_count() if several else sum(counts.values())
    return found, number


def _captioned(part: Part) -> int:
    return part.alive & part.segment.having("has", ("caption",))


def renames_of(project: Project) -> Renames:
    """How the cleaned stage names tags."""
    settings = project.settings(_CLEANED)
    return Renames(settings.replace, project.vocabulary.canonical if settings.aliases else None)


def _check_concept(concept: str, names: Sequence[str]) -> None:
    if concept and concept not in names:
        like = nearest(concept, list(names))
        hint = f"did you mean '{like}'?" if like else f"concepts: {', '.join(filter(None, names))}"
        raise UsageError(f"there is no concept '{concept}' with captions", hint=hint)


def _given(project: Project, tags: Iterable[str], row: ConceptTraits) -> tuple[str, ...]:
    """The tags that a person names, each of which some item has."""
    renames = renames_of(project)
    known = [one.tag for one in row.tags]
    found: dict[str, None] = {}
    for text in tags:
        for name in renames.names(to_canonical(text)):
            if name not in known:
                like = nearest(name, known)
                hint = f"did you mean '{like}'?" if like else f"dsk tags concept:{row.concept} lists its tags"
                raise UsageError(f"no item of {row.concept} has the tag '{text}'", hint=hint)
            found[name] = None
    return tuple(found)


def _with_prune(text: str, wanted: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """(The settings with more traits; comments and order stay as they are, concept → what is new).

    Raises:
        StateError: what was written is not what was meant.
    """
    from tomlkit.exceptions import TOMLKitError

    meant: dict[str, Any] = tomllib.loads(text)
    prune = meant.setdefault(_CLEANED, {}).setdefault(_PRUNE, {})
    before = {name: list(prune.get(name, ())) for name in wanted}
    added = {name: tuple(tag for tag in tags if tag not in before[name]) for name, tags in wanted.items()}
    added = {name: tags for name, tags in added.items() if tags}
    if not added:
        return text, {}
    for name, tags in added.items():
        prune[name] = [*before[name], *tags]
    try:
        new = _written(text, added)
        is_meant = tomllib.loads(new) == meant
    except (TOMLKitError, ValueError):
        is_meant = False
    if not is_meant:
        lines = "; ".join(f"{name} = {list(tags)}" for name, tags in added.items())
        raise StateError(f"{CONFIG_NAME}: [cleaned.prune] cannot be added to", hint=f"write it yourself: {lines}")
    return new, added


def _written(text: str, added: Mapping[str, Sequence[str]]) -> str:
    """The settings with more rows in `[cleaned.prune]`, which is made where it is missing."""
    import tomlkit
    from tomlkit.items import InlineTable

    document: Any = tomlkit.parse(text)
    cleaned = document.setdefault(_CLEANED, tomlkit.table())
    is_new = _PRUNE not in cleaned
    made: Any = tomlkit.inline_table() if isinstance(cleaned, InlineTable) else tomlkit.table()
    place = made if is_new else cleaned[_PRUNE]
    for name, tags in added.items():
        if name in place:
            place[name].extend(tags)
        else:
            place[name] = list(tags)
    if is_new:
        if not isinstance(made, InlineTable):
            made.add(tomlkit.nl())
        cleaned[_PRUNE] = made
    new = tomlkit.dumps(document)
    return re.sub(r"(?<!\r)\n", "\r\n", new) if "\r\n" in text else new


def _subject(added: Mapping[str, Sequence[str]]) -> str:
    number = Counted(sum(map(len, added.values())), "trait")
    if not added:
        return "traits: nothing to prune"
    where = next(iter(added)) if len(added) == 1 else str(Counted(len(added), "concept"))
    return f"traits: {number} of {where} left to the trigger"
