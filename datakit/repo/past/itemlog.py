"""The history of one item: every operation that touched it, followed through renames.

A walk compares ids: a stage whose tree is the same is not looked at, a folder is read once for each of its states, and
nothing is decoded but what differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from datakit.model.comparison import CaptionChange, Mark, mark_of
from datakit.model.item import CAPTION_EXTENSION, RECORD_EXTENSION, is_image, split_path
from datakit.model.order import RAW
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS
from datakit.repo.operations.matching import match_renames
from datakit.repo.oplog import MERGE, Operation, read_operation, went_to
from datakit.repo.past.comparing import compare_captions
from datakit.store.objects import FILE_MODE, TREE_MODE, diff

_AT_HAND: Final = 32


class Held(NamedTuple):
    """What a stage has of an item, whatever its name."""

    images: tuple[tuple[str, bytes], ...]
    """(extension, blob id), sorted."""
    caption: bytes | None
    record: bytes | None

    def files(self, key: str) -> dict[str, bytes]:
        """Path inside the stage → blob id."""
        rows = {f"{key}.{extension}": blob for extension, blob in self.images}
        texts = ((CAPTION_EXTENSION, self.caption), (RECORD_EXTENSION, self.record))
        return rows | {f"{key}.{extension}": blob for extension, blob in texts if blob is not None}


State = Mapping[str, Held]
"""Stage → what it has of the item; stages that have nothing are left out."""
NOTHING = Held((), None, None)


class Step(NamedTuple):
    """One operation that touched the item."""

    operation: Operation
    parent: bytes | None
    """The commit before: where `before` was the state."""
    key: str
    """What the item is called after the operation."""
    was: str
    """What it was called before."""
    before: State
    after: State
    renamed_to: str
    """The new name, where the operation took the item away from `key`; else ''."""


class StageEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operation did to an item in one stage."""

    stage: str
    image: Mark | None = None
    caption: CaptionChange | None = None
    record: Mark | None = None


class ItemEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation did to an item."""

    operation: Operation
    key: str
    """What the item is called after it."""
    was: str = ""
    """What it was called before, where the operation renamed it."""
    renamed_to: str = ""
    """Where the item went, if it was renamed away from `key`."""
    stages: tuple[StageEvent, ...] = ()


class ItemFinder:
    """Looks single items up in many trees; what was read stays known by tree id."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._stages: dict[bytes, dict[str, bytes]] = {}
        self._folders: dict[tuple[bytes, str], bytes | None] = {}
        self._held: dict[tuple[bytes, str, bool], Held] = {}
        self._contents: dict[bytes, bytes] = {}

    def stages(self, root: bytes | None) -> Mapping[str, bytes]:
        """Stage → tree id, of the stages that hold items."""
        if root is None:
            return {}
        found = self._stages.get(root)
        if found is None:
            lines = self._dataset.objects.tree(root)
            found = {name: lines[name].oid for name in STAGES_OF_ITEMS if name in lines and _is_tree(lines[name].mode)}
            self._stages[root] = found
        return found

    def state(self, root: bytes | None, key: str) -> State:
        """The item in every stage of the tree `root`."""
        rows = ((stage, self._in_stage(tree, stage, key)) for stage, tree in self.stages(root).items())
        return {stage: held for stage, held in rows if held is not NOTHING}

    def _in_stage(self, tree: bytes, stage: str, key: str) -> Held:
        known = (tree, key, stage == RAW)
        held = self._held.get(known)
        if held is None:
            *folders, stem = key.split("/")
            folder: bytes | None = tree
            for name in folders:
                folder = self._folder(folder, name) if folder else None
            held = self._held[known] = self._read(folder, stem, is_raw=stage == RAW) if folder else NOTHING
        return held

    def _folder(self, tree: bytes, name: str) -> bytes | None:
        known = (tree, name)
        if known not in self._folders:
            data = self._content(tree)
            needle = b"%s %s\0" % (TREE_MODE, name.encode("utf-8", "surrogateescape"))
            at = data.find(needle)
            self._folders[known] = data[at + len(needle) : at + len(needle) + 20] if at >= 0 else None
        return self._folders[known]

    def _content(self, tree: bytes) -> bytes:
        """A tree as git has it; the last ones stay at hand, for other items of the same folder."""
        data = self._contents.get(tree)
        if data is None:
            if len(self._contents) >= _AT_HAND:
                del self._contents[next(iter(self._contents))]
            data = self._contents[tree] = self._dataset.objects.read(tree)
        return data

    def _read(self, folder: bytes, stem: str, *, is_raw: bool) -> Held:
        """The item's lines of a folder, found without reading the others."""
        data = self._content(folder)
        needle = b"%s %s." % (FILE_MODE, stem.encode("utf-8", "surrogateescape"))
        images: list[tuple[str, bytes]] = []
        texts: dict[str, bytes] = {}
        at = data.find(needle)
        while at >= 0:
            end = data.index(b"\0", at)
            name = data[at + len(FILE_MODE) + 1 : end].decode("utf-8", "surrogateescape")
            own, extension = split_path(name)
            if own == stem and is_image(name):
                images.append((extension, data[end + 1 : end + 21]))
            elif own == stem:
                texts[extension] = data[end + 1 : end + 21]
            at = data.find(needle, end + 21)
        record = texts.get(RECORD_EXTENSION) if is_raw else None
        held = Held(tuple(sorted(images)), texts.get(CAPTION_EXTENSION), record)
        return NOTHING if held == NOTHING else held


def _is_tree(mode: bytes) -> bool:
    return mode == TREE_MODE


def walk(dataset: Dataset, key: str, *, start: bytes | None = None, finder: ItemFinder | None = None) -> Iterator[Step]:
    """Every operation that touched the item, from a commit back (default: HEAD), under its earlier names too."""
    finder = finder or ItemFinder(dataset)
    commit = start or dataset.head
    root = dataset.tree_of(commit)
    while commit is not None:
        parents = dataset.commit(commit).parent_ids
        parent = bytes(parents[0].raw) if parents else None
        before_root = dataset.tree_of(parent)
        if before_root != root:
            after, before = finder.state(root, key), finder.state(before_root, key)
            if before != after:
                operation = read_operation(dataset, commit)
                was, renamed_to = _names(dataset, finder, operation, (before_root, root), key)
                before = finder.state(before_root, was)
                yield Step(operation, parent, key, was, before, after, renamed_to)
                origin = None if before else origin_of(dataset, operation, key)
                if origin is not None:
                    key, parent = origin
                    before_root = dataset.tree_of(parent)
                else:
                    key = was
        commit, root = parent, before_root


def _names(
    dataset: Dataset, finder: ItemFinder, operation: Operation, roots: tuple[bytes | None, bytes | None], key: str
) -> tuple[str, str]:
    """(what the item was called before an operation, the name that the operation gave to what had this one)."""
    renamed = renames_of(dataset, operation) or _moved_by_git(dataset, finder, operation, roots, key)
    was = next((old for old, new in renamed.items() if new == key), key)
    return was, renamed.get(key, "") if was == key else ""


def renames_of(dataset: Dataset, operation: Operation) -> Mapping[str, str]:
    """Old key → new key of what an operation renamed; an undo renames back."""
    if went_to(dataset, operation) is not None:
        shown = read_operation(dataset, bytes.fromhex(operation.undoes or operation.redoes))
        renamed = _renamed(shown.args)
        return {new: old for old, new in renamed.items()} if operation.undoes else renamed
    return _renamed(operation.args)


def origin_of(dataset: Dataset, operation: Operation, key: str) -> tuple[str, bytes] | None:
    """What an item that was restored under another name was called before, and the commit that it comes from."""
    if went_to(dataset, operation) is not None:
        operation = read_operation(dataset, bytes.fromhex(operation.undoes or operation.redoes))
    try:
        origin = msgspec.convert(operation.args.get("as", {}), dict[str, _Origin]).get(key)
        commit = bytes.fromhex(origin.commit) if origin else b""
    except (msgspec.ValidationError, ValueError):
        return None
    return (origin.was, commit) if origin and dataset.objects.has(commit) else None


class _Origin(msgspec.Struct, frozen=True):
    """As `dsk restore` writes it among the arguments of its operation."""

    was: str
    commit: str


def _renamed(args: Mapping[str, Any]) -> dict[str, str]:
    found = args.get("renamed")
    if not isinstance(found, dict):
        return {}
    return {old: new for old, new in found.items() if isinstance(new, str)}


def _moved_by_git(
    dataset: Dataset, finder: ItemFinder, operation: Operation, roots: tuple[bytes | None, bytes | None], key: str
) -> dict[str, str]:
    """Renames of this item in a commit whose message does not tell of them: known by content."""
    if operation.op not in {"", MERGE}:
        return {}
    before, after = (finder.stages(root) for root in roots)
    states = [finder.state(root, key) for root in roots]
    for stage in STAGES_OF_ITEMS:
        held = [bool(state.get(stage, NOTHING).images) for state in states]
        if held[0] == held[1]:
            continue
        changes = [one for one in diff(dataset.objects, before.get(stage), after.get(stage)) if is_image(one.path)]
        removed = {one.path: one.old for one in changes if one.old and one.new is None}
        added = {one.path: one.new for one in changes if one.new and one.old is None}
        pairs = {split_path(old)[0]: split_path(new)[0] for old, new in match_renames(removed, added).items()}
        found = {old: new for old, new in pairs.items() if key in {old, new} and old != new}
        if found:
            return found
    return {}


def item_events(dataset: Dataset, key: str) -> Iterator[ItemEvent]:
    """Every operation that touched the item, newest first, with what it did in which stage."""
    for step in walk(dataset, key):
        yield ItemEvent(
            operation=step.operation,
            key=step.key,
            was=step.was if step.was != step.key else "",
            renamed_to=step.renamed_to,
            stages=tuple(_stage_events(dataset, step)),
        )


def _stage_events(dataset: Dataset, step: Step) -> Iterator[StageEvent]:
    for stage in STAGES_OF_ITEMS:
        old, new = step.before.get(stage, NOTHING), step.after.get(stage, NOTHING)
        if old != new:
            yield StageEvent(
                stage=stage,
                image=mark_of(old.images or None, new.images or None) if old.images != new.images else None,
                caption=_caption(dataset, old.caption, new.caption) if old.caption != new.caption else None,
                record=mark_of(old.record, new.record) if old.record != new.record else None,
            )


def _caption(dataset: Dataset, old: bytes | None, new: bytes | None) -> CaptionChange:
    return compare_captions(*(_text(dataset, blob) for blob in (old, new)))


def _text(dataset: Dataset, blob: bytes | None) -> str | None:
    return None if blob is None else dataset.objects.read(blob).decode("utf-8-sig", "replace")
