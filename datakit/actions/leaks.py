"""dsk find leaks: tags that taggers see and captions lack, and the reverse; the fix is one operation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from datakit.actions.finding import choose_stage, late_words
from datakit.actions.project import Project
from datakit.actions.purposes import BY_HAND, Fate, Purposes, written_by_stages
from datakit.actions.sights import are_here, relations_of, sights_of, taggers_of
from datakit.actions.tagging import Scope, TagEdit, TagsEdited, edit_tags
from datakit.errors import UsageError
from datakit.model.item import CAPTION_EXTENSION
from datakit.model.order import RAW
from datakit.model.progress import Progress, silent
from datakit.model.stage import Subject
from datakit.repo.finding.facts import read_with_stat
from datakit.repo.finding.table import Place, with_table
from datakit.repo.stagetree import TreeView, stage_tree
from datakit.repo.transitions.subjects import read_subjects
from datakit.tags.captions import BAR
from datakit.tags.edits import Edit, Words, adding
from datakit.tags.names import to_canonical
from datakit.tags.query.parsing import format_query, parse_query
from datakit.tags.seeing import Relations, Said, Sight, TagRow, by_tag, leaking, said_by, unseen

CAPTIONED: Final = ("captioned", "cleaned", "wip")
_NO_WORDS: Final[Mapping[str, frozenset[str]]] = {}
MIN_SCORE: Final = 0.75
"""A tag that is seen with less is no leak."""
MAX_SCORE: Final = 0.05
"""A tag that is said and seen with as much is no mistake."""


class Asked(NamedTuple):
    """Which captions, which taggers, and what counts."""

    stage: str = ""
    """'' for the last one that has captions."""
    where: str = ""
    """A query; '' for all items."""
    taggers: tuple[str, ...] = ()
    """Names or paths; none for those of `[captioned]`."""
    kind: Literal["leaks", "unseen"] = "leaks"
    limit: float | None = None
    """Least score of a leak, or the score below which a tag is unseen; None for the usual one."""
    progress: Progress = silent


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that is seen, and that captions lack on purpose."""

    tag: str
    reason: str
    """The setting of `cleaned`, or BY_HAND."""
    num_images: int


class LeaksFound(msgspec.Struct, frozen=True, kw_only=True):
    """What captions lack, or say for nothing."""

    kind: Literal["leaks", "unseen"]
    stage: str
    taggers: tuple[str, ...]
    query: str
    """As dsk understands it."""
    limit: float
    num_images: int
    """That were looked at."""
    tags: tuple[TagRow, ...]
    """The worst first: of most images, then the plainest score."""
    items: dict[str, dict[str, float]]
    """Key → tag → score, the items with the most tags first."""
    spelled: dict[str, tuple[str, ...]] = {}
    """Tag → what stands for it in this stage's captions, where that is another name."""
    left_out: tuple[LeftOut, ...] = ()
    unreadable: tuple[str, ...] = ()
    """Keys of images that no tagger could look at."""


class _Captions(NamedTuple):
    """The items in question."""

    stage: str
    subjects: list[Subject]
    said: dict[str, Said]


def find_leaks(project: Project, asked: Asked) -> LeaksFound:
    """Hold captions, hand edits included, against what taggers see; what nobody remembers is looked at now.

    Raises:
        UsageError: not a query, no such stage, one without captions, or no tagger is named anywhere.
        StateError: a tagger's files are not here; the hint has the command that brings them.
    """
    taggers = taggers_of(project, asked.taggers)
    relations = relations_of(project)
    captions = _captions(project, asked, relations)
    said = {key: found.tags for key, found in captions.said.items()} if asked.kind == "unseen" else None
    sights = sights_of(project, captions.subjects, taggers, said=said, progress=asked.progress)
    kept = _Leaks({}, (), {})
    if asked.kind == "leaks":
        limit = MIN_SCORE if asked.limit is None else asked.limit
        kept = _leaks(project, captions, sights, relations=relations, least=limit)
        items = kept.items
    else:
        limit = MAX_SCORE if asked.limit is None else asked.limit
        items = _unseen(project, captions, sights, relations=relations, below=limit)
    return LeaksFound(
        kind=asked.kind,
        stage=captions.stage,
        taggers=taggers,
        query=format_query(parse_query(asked.where)),
        limit=limit,
        num_images=len(sights),
        tags=tuple(by_tag(items, most_first=asked.kind == "leaks")),
        items=dict(sorted(items.items(), key=lambda row: (-len(row[1]), row[0]))),
        spelled=kept.spelled,
        left_out=kept.left_out,
        unreadable=tuple(key for key in captions.said if key not in sights),
    )


def fix_leaks(
    project: Project,
    found: LeaksFound,
    tags: Sequence[str] = (),
    *,
    dry_run: bool = False,
    tell: Callable[[TagsEdited], None] = lambda preview: None,
) -> TagsEdited:
    """Add the tags, or take the unseen away, in the captions where they were found: one operation.

    Raises:
        UsageError: one of `tags`, all where none is named, was not found.
    """
    wanted = _chosen(found, tags)
    canonical = relations_of(project).canonical
    edits: dict[str, Edit] = {}
    for key, row in found.items.items():
        mine = [tag for tag in row if tag in wanted]
        if mine and found.kind == "leaks":
            edits[key] = adding(name for tag in mine for name in found.spelled.get(tag, (tag,)))
        elif mine:
            edits[key] = _removing(mine, canonical)
    names = [row.tag for row in found.tags if row.tag in wanted]
    words = f"{'add' if found.kind == 'leaks' else 'remove'} {', '.join(names)}"
    edit = TagEdit(f"fix-{found.kind}", words, {"tags": names}, lambda context: adding(()), of_item=edits)
    return edit_tags(project, edit, Scope(found.query, found.stage), dry_run=dry_run, tell=tell)


def _removing(tags: Collection[str], canonical: Callable[[str], str]) -> Edit:
    """Take tags away, by whatever alias the caption has them."""

    def edit(words: Words, held: Collection[str]) -> Words:
        del held
        return tuple(word for word in words if word.tag == BAR or canonical(word.tag) not in tags)

    return edit


def _chosen(found: LeaksFound, tags: Sequence[str]) -> set[str]:
    there = {row.tag for row in found.tags}
    chosen = {to_canonical(tag) for tag in tags} or there
    missing = sorted(chosen - there)
    if missing:
        raise UsageError(
            f"not among what was found: {', '.join(missing)}", hint="the same command without --fix lists it"
        )
    return chosen


def _captions(project: Project, asked: Asked, relations: Relations) -> _Captions:
    """The items that are meant, with their captions as they stand."""
    dataset, node = project.dataset, parse_query(asked.where)
    root = dataset.head_tree
    stage = choose_stage(dataset, root, asked.stage)
    if stage not in CAPTIONED:
        raise UsageError(f"{stage} has no captions of its own", hint=f"--stage with one of: {', '.join(CAPTIONED)}")
    place = Place(root, stage, progress=asked.progress)
    keys = with_table(dataset, place, lambda table: table.find(node), late=late_words(dataset, place))
    items = TreeView(dataset, stage_tree(dataset, root, stage)).items(keys)
    raw = TreeView(dataset, stage_tree(dataset, root, RAW)).items(keys)
    subjects, _, _ = read_subjects(dataset, items, raw, is_raw=False)
    said: dict[str, Said] = {}
    for subject in subjects:
        data = read_with_stat(dataset.root / stage / f"{subject.key}.{CAPTION_EXTENSION}", 0)[0]
        said[subject.key] = said_by((data or b"").decode("utf-8-sig", "replace"), relations)
    return _Captions(stage, subjects, said)


class _Leaks(NamedTuple):
    """Leaks proper, and what only looks like one."""

    items: dict[str, dict[str, float]]
    left_out: tuple[LeftOut, ...]
    spelled: dict[str, tuple[str, ...]]


def _leaks(
    project: Project, captions: _Captions, sights: Mapping[str, Sight], *, relations: Relations, least: float
) -> _Leaks:
    """Item → its leaks; tags that are left out on purpose; those that the stage spells otherwise."""
    found: dict[str, dict[str, float]] = {}
    purposes = Purposes(project)
    own = purposes.own_words(captions.subjects, relations) if captions.stage == "captioned" else _NO_WORDS
    for key, sight in sights.items():
        plain = {tag: score for tag, score in sight.taken.items() if score >= least and tag not in own.get(key, ())}
        if row := leaking(captions.said[key], plain, relations):
            found[key] = row
    purposes.ask(captions.subjects, found)
    written = written_by_stages(project, captions.stage, found, relations)
    items: dict[str, dict[str, float]] = defaultdict(dict)
    left_out: dict[tuple[str, str], int] = defaultdict(int)
    spelled: dict[str, tuple[str, ...]] = {}
    for key, tag in ((key, tag) for key, row in found.items() for tag in row):
        fate = purposes.fate(key, tag)
        reason = _purpose(fate, captions.said[key], written[key], tag)
        if reason:
            left_out[tag, reason] += 1
        elif reason is not None:
            items[key][tag] = found[key][tag]
            if fate.names != (tag,) and captions.stage != "captioned":
                spelled[tag] = fate.names
    rows = [LeftOut(tag=tag, reason=reason, num_images=number) for (tag, reason), number in left_out.items()]
    return _Leaks(dict(items), tuple(sorted(rows, key=lambda row: (-row.num_images, row.tag))), spelled)


def _purpose(fate: Fate, said: Said, written: Collection[str], tag: str) -> str | None:
    """Why the caption lacks the tag on purpose; '' where it does not, None where it has it by another name."""
    if fate.reason:
        return fate.reason
    if not said.everything.isdisjoint(fate.names):
        return None
    return BY_HAND if any(name in written for name in (tag, *fate.names)) else ""


def _unseen(
    project: Project, captions: _Captions, sights: Mapping[str, Sight], *, relations: Relations, below: float
) -> dict[str, dict[str, float]]:
    """Item → the tags that its caption says for nothing; the words that `cleaned` writes itself are not asked about."""
    own: Mapping[str, Collection[str]] = {}
    if captions.stage != "captioned":
        own = Purposes(project).own_words(captions.subjects, relations)
    found: dict[str, dict[str, float]] = {}
    for key, sight in sights.items():
        row = unseen(captions.said[key], sight.scores, relations, below=below)
        row = {tag: score for tag, score in row.items() if tag not in own.get(key, ())}
        if row:
            found[key] = row
    return found


class Remembered(NamedTuple):
    """What lint may know without running a model."""

    scores: dict[str, dict[str, float]]
    """Key → tag, as the stage spells it → score: of MIN_SCORE and more, but for those that are left out on purpose."""
    relations: Relations


def remembered_scores(project: Project, stage: str) -> Remembered | None:
    """What the taggers of `[captioned]` saw in a stage's images; None where their files are not here."""
    taggers = taggers_of(project)
    if not are_here(project, taggers):
        return None
    relations = relations_of(project)
    captions = _captions(project, Asked(stage=stage), relations)
    sights = sights_of(project, captions.subjects, taggers, only_remembered=True)
    kept = _leaks(project, captions, sights, relations=relations, least=MIN_SCORE)
    scores: dict[str, dict[str, float]] = {key: {} for key in sights}
    for key, row in kept.items.items():
        scores[key] = {name: score for tag, score in row.items() for name in kept.spelled.get(tag, (tag,))}
    return Remembered(scores, relations)
