"""Which items a stage must decide anew: those whose inputs changed, as far as one item's outcome reaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from datakit.model.item import is_image, split_path
from datakit.model.lock import Lock
from datakit.model.stage import Scope
from datakit.repo.dataset import Dataset
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
