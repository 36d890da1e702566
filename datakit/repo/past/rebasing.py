"""The base of the next merge for items that come back: what the stages' functions had made of them.

Where a stage's function dropped out of its tree what a person then brings back, the next run would merge without a
base, and all that the person ever took out of the item would come back with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from datakit.model.item import CAPTION_EXTENSION
from datakit.model.lock import Lock, item_of
from datakit.model.order import COMPUTED, before
from datakit.repo.dataset import Dataset
from datakit.repo.items import has_item
from datakit.repo.operations.renaming import Made
from datakit.repo.stagetree import TreeView, read_lock, stage_tree, with_stage
from datakit.store.objects import Value, edit_tree


class Returned(NamedTuple):
    """An item that comes back into a stage."""

    stage: str
    key: str
    """What it is called now."""
    commit: bytes
    """Where its files are from."""
    was: str
    """What it was called there."""


class Rebased(NamedTuple):
    """A dataset's tree whose locks know the items."""

    tree: bytes
    made: Made
    """Stage → (its function's tree, the trees that it read), for the machine line; of the stages where they changed."""


def rebase_items(dataset: Dataset, root: bytes, returned: Iterable[Returned]) -> Rebased:
    """Let the locks of the tree `root`, which has the items' files already, tell what was made of them.

    Only where a stage's function is to see the item again and has no verdict on it: else it stays a person's own.
    """
    rows = list(returned)
    tree, made = root, Made()
    for stage in COMPUTED:
        source = TreeView(dataset, stage_tree(dataset, root, before(stage)))
        mine = [row for row in rows if row.stage == stage and source.item(row.key).images]
        lock = read_lock(dataset, root, stage) if mine else None
        if lock is None:
            continue
        auto = bytes.fromhex(lock.auto) or None
        if auto is not None and not dataset.objects.has(auto):
            continue
        new = edit_tree(dataset.objects, auto, _missing(dataset, auto, lock, mine).items())
        if new is not None and new != auto:
            after = msgspec.structs.replace(lock, auto=new.hex())
            tree = with_stage(dataset, tree, stage_tree(dataset, tree, stage), after)
            made[stage] = (new, lock.inputs)
    return Rebased(tree, made)


def _missing(dataset: Dataset, auto: bytes | None, lock: Lock, rows: Iterable[Returned]) -> dict[str, Value]:
    """What the function had made of the items, under the names of now: path → blob id."""
    now = TreeView(dataset, auto)
    judged = {item_of(key) for key in lock.dropped} | lock.dropped.keys()
    found: dict[str, Value] = {}
    views: dict[bytes, TreeView] = {}
    for row in rows:
        if row.key in judged or has_item(now.item(row.key)):
            continue
        if row.commit not in views:
            views[row.commit] = TreeView(dataset, _made_at(dataset, row.commit, lock.stage))
        item = views[row.commit].item(row.was)
        found |= {row.key + path[len(row.was) :]: blob for path, blob in item.images.items()}
        if item.caption is not None:
            found[f"{row.key}.{CAPTION_EXTENSION}"] = item.caption
    return found


def _made_at(dataset: Dataset, commit: bytes, stage: str) -> bytes | None:
    """The tree that the stage's function had made at a commit; None where this clone does not know it."""
    lock = read_lock(dataset, dataset.tree_of(commit), stage)
    auto = (bytes.fromhex(lock.auto) or None) if lock else None
    return auto if auto and dataset.objects.has(auto) else None
