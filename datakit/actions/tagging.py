"""dsk tag: tags of many captions edited at once, one operation each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from datakit.actions.finding import choose_stage, late_words
from datakit.actions.project import Counted, Project
from datakit.errors import UsageError
from datakit.model.item import CAPTION_EXTENSION, concept_of
from datakit.model.order import RAW
from datakit.model.progress import Progress, silent
from datakit.repo.finding.facts import read_with_stat
from datakit.repo.finding.table import Place, Table, with_table
from datakit.repo.operations.transaction import transaction
from datakit.repo.stagetree import TreeView, stage_tree
from datakit.tags.edits import Edit, Words, changes, read_words, speller, write_words
from datakit.tags.names import to_canonical, to_prompt
from datakit.tags.query.parsing import format_query, parse_query

EDITABLE: Final = (RAW, "captioned", "cleaned", "wip")
_PROMPTS: Final = frozenset({"cleaned", "wip"})
_NUM_SAMPLES: Final = 3
_MARK: Final = "\ufeff"
_LONG: Final = 60


class Context(NamedTuple):
    """What an edit may ask for while it is made."""

    project: Project
    stage: str
    table: Table


class TagEdit(NamedTuple):
    """One verb with its words."""

    verb: str
    words: str
    """As a sentence tells it: `add hat, coat`."""
    args: Mapping[str, Any]
    make: Callable[[Context], Edit]
    makes_captions: bool = False
    """Whether an item without a caption gets one."""
    of_item: Mapping[str, Edit] | None = None
    """Key → edit, where each item has its own; others stay as they are, and `make` is not asked."""


class TagChange(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to one tag."""

    tag: str
    num_added: int = 0
    num_removed: int = 0
    samples: tuple[str, ...] = ()
    """A few of the items."""


class LeftAlone(msgspec.Struct, frozen=True, kw_only=True):
    """An item that was meant with others, and whose caption cannot be edited."""

    key: str
    why: str


class TagsEdited(msgspec.Struct, frozen=True, kw_only=True):
    """What an edit changes, or has changed."""

    verb: str
    stage: str
    query: str
    num_found: int
    """Items that the query finds."""
    items: tuple[str, ...]
    """Those whose caption changes, sorted."""
    num_new: int
    """Captions that were not there."""
    num_reordered: int
    """Captions in which only the order or the layout changes."""
    changes: tuple[TagChange, ...]
    """The tags that come and go, those of most items first."""
    skipped: tuple[LeftAlone, ...] = ()
    subject: str = ""
    commit: str = ""
    """40 hex digits; '' where nothing was done."""


class Scope(NamedTuple):
    """Which captions are meant."""

    where: str = ""
    """A query; '' for all items."""
    stage: str = ""
    """'' for the last one that has captions."""
    progress: Progress = silent


def edit_tags(
    project: Project,
    edit: TagEdit,
    scope: Scope | None = None,
    *,
    dry_run: bool = False,
    tell: Callable[[TagsEdited], None] = lambda preview: None,
) -> TagsEdited:
    """Edit the captions of the items that a query finds; hand edits are committed first, as by every operation.

    `tell` hears what will change before it is done; a dry run ends there, and sees hand edits as they stand.

    Raises:
        UsageError: not a query, no such stage, or one without captions of its own.
    """
    scope = scope or Scope()
    parse_query(scope.where)
    if dry_run:
        stage = _stage(project, project.dataset.head_tree, scope)
        plan, _ = _plan(project, edit, scope, Place(project.dataset.head_tree, stage, progress=scope.progress))
        tell(plan)
        return plan
    with transaction(project.dataset, "tag") as txn:
        stage = _stage(project, txn.base_tree, scope)
        plan, texts = _plan(project, edit, scope, Place(txn.base_tree, stage, looks=False, progress=scope.progress))
        tell(plan)
        for key, data in texts.items():
            txn.put(f"{stage}/{key}.{CAPTION_EXTENSION}", data)
        txn.args = {"verb": edit.verb, **edit.args, "where": plan.query}
        commit = txn.commit(plan.subject, trailers={"Stage": stage}) if texts else None
        return msgspec.structs.replace(plan, commit=commit or "")


def _stage(project: Project, root: bytes | None, scope: Scope) -> str:
    stage = choose_stage(project.dataset, root, scope.stage)
    if stage not in EDITABLE:
        raise UsageError(f"{stage} has no captions of its own", hint=f"--stage with one of: {', '.join(EDITABLE)}")
    return stage


def _plan(project: Project, edit: TagEdit, scope: Scope, place: Place) -> tuple[TagsEdited, dict[str, bytes]]:
    """What changes, and the new captions by item."""
    node = parse_query(scope.where)

    def work(table: Table) -> tuple[list[str], Mapping[str, Edit]]:
        keys = table.find(node)
        if edit.of_item is not None:
            return [key for key in keys if key in edit.of_item], edit.of_item
        return keys, dict.fromkeys(keys, edit.make(Context(project, place.stage, table)))

    late = late_words(project.dataset, place)
    keys, functions = with_table(project.dataset, place, work, late=late)
    collected = _Collected()
    writer = _Writer(project, place.stage, functions)
    for key, data in _captions(project, place, keys):
        if data is None and not edit.makes_captions:
            continue
        try:
            text = (data or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            collected.skipped.append(LeftAlone(key=key, why=f"not UTF-8 (byte {error.start})"))
            continue
        edited = writer.edited(key, text)
        if edited is not None:
            collected.add(key, edited, is_new=data is None)
    subject = f"tag: {_short(edit.words)} in {Counted(len(collected.texts), 'caption')} of {place.stage}"
    query = format_query(node)
    return collected.report(edit.verb, place.stage, query, len(keys), subject), collected.texts


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def _captions(project: Project, place: Place, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """The captions as they stand in the work tree, or as they are in the tree; None of items that have none."""
    dataset, stage = project.dataset, place.stage
    view = TreeView(dataset, stage_tree(dataset, place.root, stage))
    for key in keys:
        if place.looks:
            yield key, read_with_stat(dataset.root / stage / f"{key}.{CAPTION_EXTENSION}", 0)[0]
        else:
            blob = view.item(key).caption
            yield key, dataset.objects.read(blob) if blob else None


class _Edited(NamedTuple):
    """A caption that changes."""

    text: str
    before: Words
    after: Words


class _Writer:
    """Applies each item's edit in the style of its caption."""

    def __init__(self, project: Project, stage: str, functions: Mapping[str, Edit]) -> None:
        self._functions = functions
        self._has_triggers = stage in _PROMPTS
        self._settings = project.settings("cleaned")
        self._default = to_prompt if stage in _PROMPTS and not self._settings.keep_underscores else str

    def edited(self, key: str, text: str) -> _Edited | None:
        """The new caption; None where it stays as it is."""
        mark = _MARK if text.startswith(_MARK) else ""
        old = text.removeprefix(_MARK)
        before = read_words(old)
        after = self._functions[key](before, self._held(key))
        if after == before:
            return None
        return _Edited(mark + write_words(after, old, speller(before, self._default)), before, after)

    def _held(self, key: str) -> frozenset[str]:
        """The tags of the trigger, which stay first."""
        if not self._has_triggers:
            return frozenset()
        trigger = self._settings.triggers.get(concept_of(key), self._settings.trigger)
        return frozenset(map(to_canonical, trigger.split(",")))


class _Collected:
    """What an edit changes, summed up."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}
        self.skipped: list[LeftAlone] = []
        self._added: Counter[str] = Counter()
        self._removed: Counter[str] = Counter()
        self._samples: dict[str, list[str]] = defaultdict(list)
        self._num_new = self._num_reordered = 0

    def add(self, key: str, edited: _Edited, *, is_new: bool) -> None:
        """Take note of one caption."""
        came, went = changes(edited.before, edited.after)
        self.texts[key] = edited.text.encode("utf-8")
        self._num_new += is_new
        self._num_reordered += not came and not went
        self._added.update(came)
        self._removed.update(went)
        for tag in dict.fromkeys((*came, *went)):
            if len(self._samples[tag]) < _NUM_SAMPLES:
                self._samples[tag].append(key)

    def report(self, verb: str, stage: str, query: str, num_found: int, subject: str) -> TagsEdited:
        """All of it."""
        rows = [
            TagChange(
                tag=tag, num_added=self._added[tag], num_removed=self._removed[tag], samples=tuple(self._samples[tag])
            )
            for tag in self._samples
        ]
        return TagsEdited(
            verb=verb,
            stage=stage,
            query=query,
            num_found=num_found,
            items=tuple(self.texts),
            num_new=self._num_new,
            num_reordered=self._num_reordered,
            changes=tuple(sorted(rows, key=lambda row: (-max(row.num_added, row.num_removed), row.tag))),
            skipped=tuple(self.skipped),
            subject=subject if self.texts else "",
        )
