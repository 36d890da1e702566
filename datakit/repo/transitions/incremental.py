"""Which items a stage must decide anew: those whose inputs changed, as far as one item's outcome reaches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from datakit.model.item import is_image, split_path
from datakit.model.lock import Lock
from datakit.model.order import before
from datakit.model.stage import Scope
from datakit.repo.dataset import Dataset
from datakit.repo.stagetree import TreeView
from datakit.store.objects import Change, diff, files


def changed_keys(
    dataset: Dataset, lock: Lock | None, inputs: Mapping[str, bytes | None], source: str, scope: Scope
) -> set[str] | None:
    """Keys of the items to decide anew; None for all of them.

    `inputs` are the trees that the stage reads now, by stage; `lock` is of a run with the same settings.
    """
    if lock is None or scope == "all":
        return None
    before = {name: lock.inputs.get(name, "") for name in inputs}
    if not all(dataset.objects.has(bytes.fromhex(oid)) for oid in before.values() if oid):
        return None
    keys: set[str] = set()
    for name, tree in inputs.items():
        old = bytes.fromhex(before[name]) or None
        changes = list(diff(dataset.objects, old, tree))
        keys.update(split_path(change.path)[0] for change in changes)
        if name == source and scope == "content":
            keys |= _with_the_same_image(dataset, inputs[source], changes)
    return keys


def _with_the_same_image(dataset: Dataset, tree: bytes | None, changes: Iterable[Change]) -> set[str]:
    """Equal images are equal blobs, so that no pointer need be read."""
    blobs = {blob for change in changes if is_image(change.path) for blob in (change.old, change.new) if blob}
    if not blobs:
        return set()
    return {split_path(path)[0] for path, blob in files(dataset.objects, tree) if blob in blobs}


def decisions(
    dataset: Dataset, lock: Lock | None, ours: bytes | None, sources: Iterable[bytes | None]
) -> dict[str, bool]:
    """Items that a person brought into the stage (true) or took out of it, last seen or earlier, sorted.

    A decision outlives the function's agreeing with it for a while, and ends where none of `sources` has the item.
    """
    if lock is None:
        return {}  # nothing to tell people's work from; where the function disagrees, the next run sees it
    auto = bytes.fromhex(lock.auto) or None
    made, here, origins = TreeView(dataset, auto), TreeView(dataset, ours), [TreeView(dataset, one) for one in sources]
    found = dict(_standing(lock, here, _last_read(dataset, lock)))
    for change in diff(dataset.objects, auto, ours):
        if is_image(change.path):
            key = split_path(change.path)[0]
            if bool(made.item(key).images) != bool(here.item(key).images):
                found[key] = bool(here.item(key).images)
    return {key: found[key] for key in sorted(found) if any(view.item(key).images for view in origins)}


def _standing(lock: Lock, here: TreeView, last_read: TreeView) -> Iterator[tuple[str, bool]]:
    """Earlier decisions, or their contrary where a person changed what the last run left."""
    for key, stays in lock.decided.items():
        is_here = bool(here.item(key).images)
        was_taken_out = stays and not is_here and bool(last_read.item(key).images)
        yield key, is_here or (stays and not was_taken_out)


def _last_read(dataset: Dataset, lock: Lock) -> TreeView:
    """The stage before, as the last run saw it."""
    tree = bytes.fromhex(lock.inputs.get(before(lock.stage), "")) or None
    return TreeView(dataset, tree if tree and dataset.objects.has(tree) else None)
