"""Renames among hand edits: recognised by content, and carried through every stage like `dsk mv`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping

import msgspec

from datakit.model.item import LOCK_NAME, is_image, split_path
from datakit.model.order import COMPUTED
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS
from datakit.repo.operations.matching import match_renames
from datakit.repo.operations.renaming import Made, Mover, Names, fold, rename_items
from datakit.repo.worktree.scan import Edit
from datakit.store.objects import TREE_MODE, Entry, Value, edit_tree, find

ByStage = Mapping[str, Mapping[str, str]]
"""Stage → old key → new key."""


class Carried(msgspec.Struct, frozen=True):
    """Hand edits with what follows of the renames among them."""

    tree: bytes
    """What is to be committed."""
    found: bytes | None
    """The tree of what stands where the edits follow an item to its new name, else of the commit before."""
    made: Made


def renamed_items(by_stage: ByStage) -> dict[str, str]:
    """Old key → new key, over all stages."""
    return {old: new for renamed in by_stage.values() for old, new in renamed.items()}


def find_renames(dataset: Dataset, root: bytes | None, edits: Iterable[Edit]) -> ByStage:
    """The items that people renamed in a stage's folder, where all stages can follow.

    `root` is the tree that the edits change. An item is renamed where all its images went to one other name with
    their content; the same content beside the old name is a copy.
    """
    by_stage: dict[str, list[Edit]] = defaultdict(list)
    for edit in edits:
        stage, _, path = edit.path.partition("/")
        if stage in COMPUTED and path == LOCK_NAME:
            return {}  # a lock written by hand stays as it is
        if stage in STAGES_OF_ITEMS:
            by_stage[stage].append(Edit(path, edit.old, edit.new))
    found = _without_disputes({stage: _renamed_in(dataset, root, stage, rows) for stage, rows in by_stage.items()})
    while refused := _not_free(dataset, root, by_stage, found):
        found = {stage: _without(renamed, refused) for stage, renamed in found.items()}
    return {stage: renamed for stage, renamed in found.items() if renamed}


def _renamed_in(dataset: Dataset, root: bytes | None, stage: str, edits: list[Edit]) -> dict[str, str]:
    images = [edit for edit in edits if is_image(edit.path)]
    removed = {edit.path: edit.old for edit in images if edit.old and edit.new is None}
    added = {edit.path: edit.new for edit in images if edit.new and edit.old is None}
    pairs = match_renames(removed, added)
    if not pairs:
        return {}
    names = Names(dataset, root, stage)
    left = {split_path(edit.path)[0] for edit in images if edit.new is not None}
    goals: dict[str, set[str]] = defaultdict(set)
    origins: dict[str, set[str]] = defaultdict(set)
    for old, new in pairs.items():
        goals[split_path(old)[0]].add(split_path(new)[0])
        origins[split_path(new)[0]].add(split_path(old)[0])
    whole = {key for key in goals if key not in left and names.images(key).keys() <= pairs.keys()}
    return {
        old: new
        for old in sorted(whole)
        for new in goals[old]
        if len(goals[old]) == 1 == len(origins[new]) and not names.images(new) and f"{new}.json" != LOCK_NAME
    }


def _without_disputes(found: ByStage) -> dict[str, dict[str, str]]:
    """Without items that two stages renamed otherwise, and names that two items are to get."""
    goals: dict[str, set[str]] = defaultdict(set)
    origins: dict[str, set[str]] = defaultdict(set)
    for renamed in found.values():
        for old, new in renamed.items():
            goals[old].add(new)
            origins[fold(new)].add(old)
    disputed = {old for old, news in goals.items() if any(len(origins[fold(new)]) > 1 for new in news) or len(news) > 1}
    return {stage: _without(renamed, disputed) for stage, renamed in found.items()}


def _without(renamed: Mapping[str, str], keys: Container[str]) -> dict[str, str]:
    return {old: new for old, new in renamed.items() if old not in keys}


def _not_free(dataset: Dataset, root: bytes | None, edits: Mapping[str, list[Edit]], found: ByStage) -> dict[str, str]:
    """Items whose new name something else has in a stage where nobody renamed them."""
    everything = renamed_items(found)
    refused: dict[str, str] = {}
    for stage in STAGES_OF_ITEMS:
        others = _without(everything, found.get(stage, {}))
        if not others:
            continue
        fresh = {fold(split_path(edit.path)[0]): edit.path for edit in edits.get(stage, ()) if edit.old is None}
        refused |= {old: fresh[fold(new)] for old, new in others.items() if fold(new) in fresh}
        names = Names(dataset, root, stage)
        refused |= {old: path for old, new in others.items() if (path := names.holder(new, everything))}
    return refused


def carry(dataset: Dataset, root: bytes, edits: Iterable[Edit], by_stage: ByStage) -> Carried:
    """The tree with the hand edits, the renames among them carried through all stages.

    What the edits changed of an item in another stage follows it there. In the stage where it was renamed, what
    people left under its old name follows, unless there is such a file under the new one.
    """
    pure = rename_items(dataset, root, renamed_items(by_stage))
    here: dict[str, dict[str, bytes | None]] = defaultdict(dict)
    for edit in edits:
        stage, _, path = edit.path.partition("/")
        here[stage][path] = edit.new
    tree, moved = pure.tree, {}
    for stage, changed in here.items():
        if stage in STAGES_OF_ITEMS:
            placed = _placed(dataset, root, stage, by_stage, changed)
            tree = _with_rows(dataset, tree, root, stage, placed)
            moved.update({f"{stage}/{path}": changed[path] for path in placed.moved})
        else:
            rows = ((f"{stage}/{path}" if path else stage, blob) for path, blob in changed.items())
            tree = edit_tree(dataset.objects, tree, rows) or dataset.objects.put_tree({})
    return Carried(tree, edit_tree(dataset.objects, root, moved.items()), pure.made)


class _Placed(msgspec.Struct):
    """A stage's hand edits under the names that the items have now."""

    mover: Mover
    """Of the items that were renamed elsewhere."""
    is_origin: bool
    """Whether items were renamed here."""
    rows: dict[str, Value]
    moved: list[str]
    """Edited paths whose content goes elsewhere."""


def _placed(
    dataset: Dataset, root: bytes, stage: str, by_stage: ByStage, changed: Mapping[str, bytes | None]
) -> _Placed:
    own = by_stage.get(stage, {})
    mover = Mover(dataset, _without(renamed_items(by_stage), own))
    follows = {path: (goal, blob) for path, goal, blob in _followers(Names(dataset, root, stage), own, changed)}
    placed = _Placed(mover, bool(own), dict.fromkeys(follows), [])
    placed.rows.update(follows.values())
    for path, blob in changed.items():
        goal = mover.path(path)
        if path not in follows:
            placed.rows[goal] = blob
        if blob is not None and (path in follows or goal != path):
            placed.moved.append(path)
    return placed


def _followers(
    names: Names, own: Mapping[str, str], changed: Mapping[str, bytes | None]
) -> Iterator[tuple[str, str, bytes]]:
    """Captions and records that people left under the old name: (path, path under the new name, blob id)."""
    for old, new in own.items():
        taken = names.files(new)
        for path, blob in names.files(old).items():
            stands, goal = changed.get(path, blob), new + path[len(old) :]
            if stands is not None and not is_image(path) and changed.get(goal, taken.get(goal)) is None:
                yield path, goal, stands


def _with_rows(dataset: Dataset, tree: bytes, root: bytes, stage: str, placed: _Placed) -> bytes:
    """The tree with one stage as people left it; its lock stays as the renames made it."""
    objects = dataset.objects
    top = objects.tree(tree)
    stands = top.get(stage)
    folder = stands.oid if stands and stands.mode == TREE_MODE else None
    if placed.is_origin:
        before, lock = find(objects, root, stage), objects.tree(folder).get(LOCK_NAME) if folder else None
        folder = placed.mover.tree(before.oid) if before else None
        placed.rows.setdefault(LOCK_NAME, lock)
    folder = edit_tree(objects, folder, placed.rows.items())
    top.pop(stage, None)
    if folder is not None:
        top[stage] = Entry(TREE_MODE, folder)
    return objects.put_tree(top)
