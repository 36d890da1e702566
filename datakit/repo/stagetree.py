"""Reading a stage out of a commit: its items, its lock, and the tree that its function depends on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from datakit.model.item import CAPTION_EXTENSION, LOCK_NAME, RECORD_EXTENSION, is_image, split_path
from datakit.model.lock import Conflict, Lock, decode_lock
from datakit.repo.dataset import Dataset
from datakit.store.objects import TREE_MODE, files, find


class ItemFiles(msgspec.Struct):
    """The files of one item in one stage: path inside the stage → blob id."""

    images: dict[str, bytes] = msgspec.field(default_factory=dict)
    caption: bytes | None = None
    record: bytes | None = None


def stage_tree(dataset: Dataset, root: bytes | None, stage: str) -> bytes | None:
    """Id of a stage's tree without its lock: what the next stage depends on; None when there is none."""
    entry = find(dataset.objects, root, stage) if root else None
    if entry is None or entry.mode != TREE_MODE:
        return None
    lines = dataset.objects.tree(entry.oid)
    lines.pop(LOCK_NAME, None)
    return dataset.objects.put_tree(lines) if lines else None


def read_lock(dataset: Dataset, root: bytes | None, stage: str) -> Lock | None:
    """The lock of a stage in a tree, with those of its conflicts that nobody has decided; None before its first run."""
    path = f"{stage}/{LOCK_NAME}"
    entry = find(dataset.objects, root, path) if root else None
    if root is None or entry is None:
        return None
    lock = decode_lock(dataset.objects.read(entry.oid), path=path)
    if not lock.conflicts:
        return lock
    return msgspec.structs.replace(lock, conflicts=_undecided(dataset, root, lock))


def _undecided(dataset: Dataset, root: bytes, lock: Lock) -> dict[str, Conflict]:
    """Whoever edits or removes the file has decided."""
    left: dict[str, Conflict] = {}
    for path, conflict in lock.conflicts.items():
        entry = find(dataset.objects, root, f"{lock.stage}/{path}")
        if entry is not None and entry.oid.hex() == conflict.ours:
            left[path] = conflict
    return left


def read_items(dataset: Dataset, tree: bytes | None) -> Mapping[str, ItemFiles]:
    """The items of a stage's tree by key `concept/stem`, sorted; files that make no item are left out."""
    items: dict[str, ItemFiles] = {}
    for path, blob in files(dataset.objects, tree):
        key, extension = split_path(path)
        if is_image(path):
            items.setdefault(key, ItemFiles()).images[path] = blob
        elif extension == CAPTION_EXTENSION:
            items.setdefault(key, ItemFiles()).caption = blob
        elif extension == RECORD_EXTENSION:
            items.setdefault(key, ItemFiles()).record = blob
    return dict(sorted(items.items()))
