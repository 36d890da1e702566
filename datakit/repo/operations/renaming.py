"""Items under other names: in every stage, in what the stages' functions made and read, and in their locks.

What a rename touches is what the stages would have been, had the item had its new name from the beginning. So no stage
becomes stale by it, and hand edits go on riding on the item. Only where dsk.toml tells concepts apart, as by trigger
words, the stage decides those items anew that come to another concept.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from datakit.config import CONFIG_NAME
from datakit.model.item import LOCK_NAME, concept_of, is_image, split_path, stem_of
from datakit.model.lock import Dropped, Lock
from datakit.model.order import before
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS
from datakit.repo.layout import is_managed_name
from datakit.repo.stagetree import TreeView, read_lock, stage_tree, with_stage
from datakit.store.objects import FILE_MODE, TREE_MODE, Entry, Value, edit_tree, entries, find

Made = dict[str, tuple[bytes | None, Mapping[str, str]]]
_MARK: Final = b"another concept: to be decided anew\n"
_MARK_EXTENSION: Final = "caption"
"""Of a file that moves along with its item, and that no stage reads."""
_QUERY: Final = "where"
"""The setting that holds a query, which may ask for concepts."""


class Renamed(msgspec.Struct, frozen=True):
    """A dataset's tree with items under other names."""

    tree: bytes
    made: Made
    """Stage → (its function's tree, the trees that it read), for the machine line; of the stages where they changed."""


def rename_items(dataset: Dataset, root: bytes, renamed: Mapping[str, str]) -> Renamed:
    """The tree `root` with items renamed in all stages at once (old key → new key, none of which is taken).

    Costs the size of the folders that the items are in.
    """
    mover = Mover(dataset, renamed)
    moved = {old: new for old, new in renamed.items() if concept_of(old) != concept_of(new)}
    concepts = {concept_of(key) for pair in moved.items() for key in pair}
    settings = _settings(dataset, root) if moved else {}
    made: Made = {}
    tree = root
    for stage in STAGES_OF_ITEMS:
        lock = read_lock(dataset, root, stage)
        if lock is None:
            tree = _with_folder(dataset, tree, stage, mover)
            continue
        new = mover.lock(lock)
        if _tells_apart(settings.get(stage), concepts):
            new = _to_be_decided_anew(dataset, new, moved.values())
        old = stage_tree(dataset, root, stage)
        after = mover.tree(old)
        if (new, after) != (lock, old):
            tree = with_stage(dataset, tree, after, new)
        if (new.auto, new.inputs) != (lock.auto, lock.inputs):
            made[stage] = (bytes.fromhex(new.auto) or None, new.inputs)
    return Renamed(tree, made)


def _settings(dataset: Dataset, root: bytes) -> dict[str, Any]:
    entry = find(dataset.objects, root, CONFIG_NAME)
    try:
        return tomllib.loads(dataset.objects.read(entry.oid).decode("utf-8-sig")) if entry else {}
    except ValueError:  # whoever mends it changes the settings, and all items are decided anew
        return {}


def _tells_apart(settings: object, concepts: set[str]) -> bool:
    """Whether a stage's settings say something of these concepts alone, such as a trigger word."""
    if isinstance(settings, list):
        return any(_tells_apart(one, concepts) for one in settings)
    if not isinstance(settings, dict):
        return False
    return any(name in concepts or name == _QUERY or _tells_apart(one, concepts) for name, one in settings.items())


def _to_be_decided_anew(dataset: Dataset, lock: Lock, keys: Iterable[str]) -> Lock:
    """The lock as if these items had changed since they were read: a mark lies beside them in what was read."""
    source = before(lock.stage)
    tree = bytes.fromhex(lock.inputs.get(source, "")) or None
    if tree is None or not dataset.objects.has(tree):
        return lock  # such a clone decides all items anew
    mark = dataset.objects.blob(_MARK)
    view = TreeView(dataset, tree)
    rows = {f"{key}.{_MARK_EXTENSION}": mark for key in keys if view.item(key).images}
    marked = edit_tree(dataset.objects, tree, rows.items())
    return msgspec.structs.replace(lock, inputs={**lock.inputs, source: marked.hex() if marked else ""})


def _with_folder(dataset: Dataset, root: bytes, stage: str, mover: Mover) -> bytes:
    """A stage without lock: raw, or one that has never run."""
    top = dataset.objects.tree(root)
    entry = top.get(stage)
    if entry is None or entry.mode != TREE_MODE:
        return root
    after = mover.tree(entry.oid)
    if after == entry.oid or after is None:
        return root
    top[stage] = Entry(TREE_MODE, after)
    return dataset.objects.put_tree(top)


class Mover:
    """One set of renames, applied to any number of trees, keys, paths and locks; equal trees cost nothing."""

    def __init__(self, dataset: Dataset, renamed: Mapping[str, str]) -> None:
        self.renamed = renamed
        self._dataset = dataset
        self._goals = frozenset(renamed.values())
        self._folders = sorted({concept_of(key) for pair in renamed.items() for key in pair})
        self._done: dict[bytes, bytes | None] = {}

    def path(self, path: str) -> str:
        """A path inside a stage under its new name; a key too."""
        if path in self.renamed:
            return self.renamed[path]
        key = split_path(path)[0]
        return self.renamed[key] + path[len(key) :] if key in self.renamed else path

    def tree(self, tree: bytes | None) -> bytes | None:
        """A stage's tree with the items' files under their new names, in place of what had those."""
        if tree is None or not self.renamed:
            return tree
        if tree not in self._done:
            self._done[tree] = self._moved(tree)
        return self._done[tree]

    def _moved(self, tree: bytes) -> bytes | None:
        view = TreeView(self._dataset, tree)
        rows: dict[str, Value] = {}
        for folder in self._folders:
            for path, blob in _own_files(view, folder):
                key = split_path(path)[0]
                if key in self.renamed or key in self._goals:
                    rows.setdefault(path, None)
                if key in self.renamed:
                    rows[self.path(path)] = blob
        return edit_tree(self._dataset.objects, tree, rows.items()) if rows else tree

    def lock(self, lock: Lock) -> Lock:
        """A stage's lock as if the items had always been called so."""
        verdicts = {key: drop for key, drop in lock.dropped.items() if not self._is_overwritten(key)}
        return msgspec.structs.replace(
            lock,
            inputs={name: self._tree_id(oid) for name, oid in lock.inputs.items()},
            auto=self._tree_id(lock.auto),
            dropped={self.path(key): self._drop(key, drop) for key, drop in verdicts.items()},
            flagged={
                self.path(key): tuple(self._drop(key, one) for one in found)
                for key, found in lock.flagged.items()
                if not self._is_overwritten(key)
            },
            conflicts={self.path(path): conflict for path, conflict in lock.conflicts.items()},
            decided={self.path(key): stays for key, stays in lock.decided.items() if not self._is_overwritten(key)},
        )

    def _is_overwritten(self, key: str) -> bool:
        """Whether this is the verdict on an item that is gone, and whose name another one gets."""
        return key in self._goals and key not in self.renamed

    def _tree_id(self, oid: str) -> str:
        if not oid or not self._dataset.objects.has(bytes.fromhex(oid)):
            return oid
        found = self.tree(bytes.fromhex(oid))
        return found.hex() if found else ""

    def _drop(self, key: str, drop: Dropped) -> Dropped:
        """A verdict that names items, in its evidence and in the words made of it."""
        said = {key: self.path(key)}
        evidence = self._value(drop.evidence, said)
        reason = drop.reason
        for old, new in said.items():
            if old != new:
                reason = re.sub(rf"(?<!\S){re.escape(old)}(?![\w/-])", lambda _, new=new: new, reason)  # type: ignore[misc]
        return Dropped(rule=drop.rule, reason=reason, evidence=evidence)

    def _value(self, value: Any, said: dict[str, str]) -> Any:
        if isinstance(value, str):
            said[value] = self.path(value)
            return said[value]
        if isinstance(value, dict):
            return {self._value(name, said): self._value(one, said) for name, one in value.items()}
        if isinstance(value, list):
            return [self._value(one, said) for one in value]
        return value


def _own_files(view: TreeView, folder: str) -> Iterator[tuple[str, bytes]]:
    """The files of a folder that belong to items: (path, blob id)."""
    prefix = f"{folder}/" if folder else ""
    for name, entry in view.folder(folder).items():
        if entry.mode == FILE_MODE and is_managed_name(name) and prefix + name != LOCK_NAME:
            yield prefix + name, entry.oid


class Names:
    """The names of a stage's tree: files by item, and what has a name already; each folder is read once."""

    def __init__(self, dataset: Dataset, root: bytes | None, stage: str) -> None:
        entry = find(dataset.objects, root, stage) if root else None
        self._tree = entry.oid if entry and entry.mode == TREE_MODE else None
        self._dataset = dataset
        self._view = TreeView(dataset, self._tree)
        self._files: dict[str, dict[str, dict[str, bytes]]] = {}
        self._folded: dict[str, dict[str, list[str]]] = {}

    def files(self, key: str) -> Mapping[str, bytes]:
        """Every file of an item: path inside the stage → blob id."""
        folder = concept_of(key)
        if folder not in self._files:
            keys: dict[str, dict[str, bytes]] = defaultdict(dict)
            for path, blob in _own_files(self._view, folder):
                keys[split_path(path)[0]][path] = blob
            self._files[folder] = keys
        return self._files[folder].get(key, {})

    def images(self, key: str) -> dict[str, bytes]:
        """The images of an item."""
        return {path: blob for path, blob in self.files(key).items() if is_image(path)}

    def holder(self, key: str, leaving: Mapping[str, str]) -> str:
        """A path that has the name `key`, in any case, and is none of the items that are `leaving`; '' for none."""
        folder = ""
        for part in concept_of(key).split("/") if concept_of(key) else ():
            found = self._other_folder(folder, part, leaving)
            if found:
                return found
            folder = f"{folder}/{part}" if folder else part
        prefix = f"{folder}/" if folder else ""
        paths = [prefix + name for name in self._names(folder).get(fold(stem_of(key)), ())]
        staying = [path for path in paths if split_path(path)[0] not in leaving]
        return min(staying, key=lambda path: (not is_image(path), path), default="")

    def _other_folder(self, above: str, part: str, leaving: Mapping[str, str]) -> str:
        """A file where the folder must be, or in a folder that is spelled otherwise."""
        prefix = f"{above}/" if above else ""
        for name, entry in self._view.folder(above).items() if fold(part) in self._names(above, whole=True) else ():
            if fold(name) != fold(part):
                continue
            if entry.mode != TREE_MODE:
                return prefix + name
            if name != part:
                inside = (path for path, _ in entries(self._dataset.objects, entry.oid, f"{prefix}{name}/"))
                found = next((path for path in inside if split_path(path)[0] not in leaving), "")
                if found:
                    return found
        return ""

    def _names(self, folder: str, *, whole: bool = False) -> Mapping[str, list[str]]:
        """Folded stem, or folded whole name → names in a folder."""
        mark = f"{folder}\0" if whole else folder
        if mark not in self._folded:
            found: dict[str, list[str]] = defaultdict(list)
            for name, entry in self._view.folder(folder).items():
                if whole:
                    found[fold(name)].append(name)
                elif entry.mode != TREE_MODE:
                    found[fold(split_path(name)[0])].append(name)
            self._folded[mark] = found
        return self._folded[mark]


def fold(name: str) -> str:
    """What two names have in common that some disks take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def find_holders(
    dataset: Dataset, root: bytes | None, renamed: Mapping[str, str], stages: Iterable[str] = STAGES_OF_ITEMS
) -> dict[str, str]:
    """Old key → what has the name that the item is to get, for the items that cannot be renamed.

    That is a path such as `wip/aria/x.png`, or another key of `renamed` that is to get the same name.
    """
    found: dict[str, str] = {}
    wanted: dict[str, str] = {}
    for old, new in renamed.items():
        first = wanted.setdefault(fold(new), old)
        if first != old:
            found[old] = first
    for stage in stages:
        names = Names(dataset, root, stage)
        for old, new in renamed.items():
            if old not in found and (path := names.holder(new, renamed)):
                found[old] = f"{stage}/{path}"
    return found
