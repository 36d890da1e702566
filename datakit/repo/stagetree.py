"""Reading a stage out of a commit: its items, its lock, and the tree that its function depends on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from datakit.errors import StateError
from datakit.model.item import CAPTION_EXTENSION, LOCK_NAME, RECORD_EXTENSION, concept_of, is_image, split_path
from datakit.model.lock import Conflict, Lock, decode_lock
from datakit.model.order import RAW
from datakit.model.record import encode_json
from datakit.repo.dataset import Dataset
from datakit.store.objects import FILE_MODE, TREE_MODE, Entry, files, find


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
    if _is_lock(lines.get(LOCK_NAME), stage):
        del lines[LOCK_NAME]
    return dataset.objects.put_tree(lines) if lines else None


def read_lock(dataset: Dataset, root: bytes | None, stage: str) -> Lock | None:
    """The lock of a stage in a tree, with those of its conflicts that nobody has decided; None before its first run."""
    path = f"{stage}/{LOCK_NAME}"
    entry = find(dataset.objects, root, path) if root else None
    if root is None or entry is None or not _is_lock(entry, stage):
        return None
    lock = decode_lock(dataset.objects.read(entry.oid), path=path)
    if not lock.conflicts:
        return lock
    return msgspec.structs.replace(lock, conflicts=_undecided(dataset, root, lock))


def _is_lock(entry: Entry | None, stage: str) -> bool:
    """Whether this is a stage's lock; in raw a file of that name is an item's record, and a folder is a concept."""
    return entry is not None and entry.mode == FILE_MODE and stage != RAW


def _undecided(dataset: Dataset, root: bytes, lock: Lock) -> dict[str, Conflict]:
    """Whoever edits or removes the file has decided."""
    left: dict[str, Conflict] = {}
    for path, conflict in lock.conflicts.items():
        entry = find(dataset.objects, root, f"{lock.stage}/{path}")
        if entry is not None and entry.oid.hex() == conflict.ours:
            left[path] = conflict
    return left


def with_stage(dataset: Dataset, root: bytes | None, tree: bytes | None, lock: Lock) -> bytes:
    """The tree `root` with another tree and lock of the lock's stage.

    Raises:
        StateError: a concept has the lock's name.
    """
    lines = dataset.objects.tree(tree) if tree else {}
    taken = lines.get(LOCK_NAME)
    if taken is not None and taken.mode == TREE_MODE:
        raise StateError(
            f"{lock.stage}: a concept is called {LOCK_NAME}, where the stage's lock belongs",
            hint=f"rename the folder raw/{LOCK_NAME}",
        )
    lines[LOCK_NAME] = Entry(FILE_MODE, dataset.objects.blob(encode_json(lock)))
    top = dataset.objects.tree(root) if root else {}
    top[lock.stage] = Entry(TREE_MODE, dataset.objects.put_tree(lines))
    return dataset.objects.put_tree(top)


def read_items(dataset: Dataset, tree: bytes | None) -> Mapping[str, ItemFiles]:
    """The items of a stage's tree by key `concept/stem`, sorted; files that make no item are left out."""
    items: dict[str, ItemFiles] = {}
    for path, blob in files(dataset.objects, tree):
        _add(items, path, blob)
    return dict(sorted(items.items()))


def _add(items: dict[str, ItemFiles], path: str, blob: bytes) -> None:
    key, extension = split_path(path)
    if is_image(path):
        items.setdefault(key, ItemFiles()).images[path] = blob
    elif extension == CAPTION_EXTENSION:
        items.setdefault(key, ItemFiles()).caption = blob
    elif extension == RECORD_EXTENSION:
        items.setdefault(key, ItemFiles()).record = blob


class TreeView:
    """Single items and paths of a stage's tree: each folder is read once, when something in it is asked for."""

    def __init__(self, dataset: Dataset, tree: bytes | None) -> None:
        self._dataset = dataset
        self._tree = tree
        self._folders: dict[str, Mapping[str, Entry]] = {}
        self._items: dict[str, dict[str, ItemFiles]] = {}

    def folder(self, path: str) -> Mapping[str, Entry]:
        """The lines of a folder (`''` for the tree itself); none where there is no such folder."""
        found = self._folders.get(path)
        if found is None:
            found = self._folders[path] = self._read(path)
        return found

    def _read(self, path: str) -> Mapping[str, Entry]:
        oid = self._tree
        if path and oid:
            above, _, name = path.rpartition("/")
            entry = self.folder(above).get(name)
            oid = entry.oid if entry and entry.mode == TREE_MODE else None
        return self._dataset.objects.tree(oid) if oid else {}

    def blob(self, path: str) -> bytes | None:
        """Id of the regular file at a path."""
        folder, _, name = path.rpartition("/")
        entry = self.folder(folder).get(name)
        return entry.oid if entry and entry.mode == FILE_MODE else None

    def item(self, key: str) -> ItemFiles:
        """The files of an item; empty where there is none."""
        folder = concept_of(key)
        items = self._items.get(folder)
        if items is None:
            items = self._items[folder] = {}
            prefix = f"{folder}/" if folder else ""
            for name, entry in self.folder(folder).items():
                if entry.mode == FILE_MODE:
                    _add(items, prefix + name, entry.oid)
        return items.get(key) or ItemFiles()

    def items(self, keys: Iterable[str]) -> Mapping[str, ItemFiles]:
        """Those of `keys` that have a file here, sorted."""
        found = ((key, self.item(key)) for key in sorted(keys))
        return {key: item for key, item in found if item.images or item.caption or item.record}
