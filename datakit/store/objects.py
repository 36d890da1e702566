"""Git objects: reading through libgit2, writing in batches, trees as plain mappings.

Ids are 20 raw bytes throughout. Files of a dataset have one mode, 100644; other entries that a person committed
(executables, symbolic links, submodules) are carried along untouched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pygit2

from datakit.errors import RepositoryError, WriteError
from datakit.store.packs import write_pack

FILE_MODE = b"100644"
TREE_MODE = b"40000"
_LOOSE_AT_MOST = 64
_FLUSH_BYTES = 64 << 20
_KEPT_LINES = 400_000
"""How many lines of trees that were read are kept, since one command reads the same folders again and again."""


class Entry(NamedTuple):
    """One line of a tree."""

    mode: bytes
    oid: bytes


class Objects:
    """The object database of one repository, with the objects of the running operation not yet written."""

    def __init__(self, database: pygit2.Odb, folder: Path) -> None:
        self._odb = database
        self._pack_folder = folder / "pack"
        self._pending: dict[bytes, tuple[str, bytes]] = {}
        self._pending_bytes = 0
        self._known: set[bytes] = set()
        self._written = 0
        self._trees: dict[bytes, dict[str, Entry]] = {}
        self._num_lines = 0

    def read(self, oid: bytes) -> bytes:
        """Content of an object.

        Raises:
            RepositoryError: the object is missing or damaged.
        """
        pending = self._pending.get(oid)
        if pending is not None:
            return pending[1]
        try:
            data: bytes = self._odb.read(pygit2.Oid(raw=oid))[1]
        except (KeyError, pygit2.GitError) as error:
            raise RepositoryError(
                f"git object {oid.hex()} is missing or damaged", hint="git fsck; fetch it from a clone"
            ) from error
        return data

    def has(self, oid: bytes) -> bool:
        """Whether the object is here, written or kept."""
        return oid in self._pending or pygit2.Oid(raw=oid) in self._odb

    def put(self, kind: str, data: bytes) -> bytes:
        """Keep an object for the next flush; returns its id."""
        oid = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data).digest()
        if oid not in self._known:
            self._known.add(oid)
            self._pending[oid] = (kind, data)
            self._pending_bytes += len(data)
            if self._pending_bytes > _FLUSH_BYTES:
                self.flush()
        return oid

    def blob(self, data: bytes) -> bytes:
        """Keep a blob; returns its id."""
        return self.put("blob", data)

    def flush(self) -> None:
        """Write what is kept: a few objects loose, many as one pack. Not synced.

        Raises:
            WriteError, OSError: the disk is full or refuses; the objects are kept on.
        """
        pending = self._pending
        if len(pending) <= _LOOSE_AT_MOST and self._written == 0:
            self._write_loose(pending.values())
        elif pending:
            rows = ((oid, kind, data) for oid, (kind, data) in pending.items())
            write_pack(self._pack_folder, rows, num_objects=len(pending))
            self._written += len(pending)
        self._pending, self._pending_bytes = {}, 0

    def _write_loose(self, objects: Iterable[tuple[str, bytes]]) -> None:
        try:
            for kind, data in objects:
                self._odb.write(_KINDS[kind], data)
        except pygit2.GitError as error:
            raise WriteError(
                f"{self._pack_folder.parent}: git objects cannot be written: {error}",
                hint="check the disk's space and the folder's permissions",
            ) from error

    def discard(self) -> None:
        """Forget what is kept and not yet written."""
        self._known.difference_update(self._pending)
        for oid in self._pending.keys() & self._trees.keys():
            self._num_lines -= len(self._trees.pop(oid))
        self._pending, self._pending_bytes, self._written = {}, 0, 0

    def tree(self, oid: bytes) -> dict[str, Entry]:
        """The lines of one tree object: name → entry."""
        kept = self._trees.pop(oid, None)
        if kept is None:
            kept = parse_tree(self.read(oid))
            self._known.update(entry.oid for entry in kept.values())
            self._num_lines += len(kept)
        self._trees[oid] = kept  # the youngest is the last
        while self._num_lines > _KEPT_LINES and len(self._trees) > 1:
            self._num_lines -= len(self._trees.pop(next(iter(self._trees))))
        return dict(kept)

    def put_tree(self, lines: Mapping[str, Entry]) -> bytes:
        """Keep a tree object; returns its id."""
        rows = [(name.encode("utf-8", "surrogateescape"), entry) for name, entry in lines.items()]
        rows.sort(key=lambda row: row[0] + b"/" if row[1].mode == TREE_MODE else row[0])
        return self.put("tree", b"".join(b"%s %s\0%s" % (entry.mode, name, entry.oid) for name, entry in rows))


def parse_tree(data: bytes) -> dict[str, Entry]:
    """The lines of a tree object, or of whole lines out of one: name → entry."""
    lines: dict[str, Entry] = {}
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        end = data.index(b"\0", space)
        mode = data[at:space]
        entry = Entry(FILE_MODE if mode == FILE_MODE else mode, data[end + 1 : end + 21])
        lines[data[space + 1 : end].decode("utf-8", "surrogateescape")] = entry
        at = end + 21
    return lines


_KINDS = {
    "commit": pygit2.enums.ObjectType.COMMIT,
    "tree": pygit2.enums.ObjectType.TREE,
    "blob": pygit2.enums.ObjectType.BLOB,
}


Value = bytes | Entry | None


class Change(NamedTuple):
    """One path that differs between two trees; None where the path does not exist."""

    path: str
    old: bytes | None
    new: bytes | None


def find(objects: Objects, root: bytes, path: str) -> Entry | None:
    """The entry at `path` below the tree `root`, or None."""
    entry: Entry | None = Entry(TREE_MODE, root)
    for name in path.split("/"):
        if entry is None or entry.mode != TREE_MODE:
            return None
        entry = objects.tree(entry.oid).get(name)
    return entry


def entries(objects: Objects, tree: bytes | None, prefix: str = "") -> Iterator[tuple[str, Entry]]:
    """Everything below a tree that is no folder as (path, entry), depth first."""
    if tree is None:
        return
    for name, entry in objects.tree(tree).items():
        if entry.mode == TREE_MODE:
            yield from entries(objects, entry.oid, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", entry


def files(objects: Objects, tree: bytes | None) -> Iterator[tuple[str, bytes]]:
    """Every regular file below a tree as (path, blob id), depth first."""
    return ((path, entry.oid) for path, entry in entries(objects, tree) if entry.mode == FILE_MODE)


def diff(objects: Objects, old: bytes | None, new: bytes | None, prefix: str = "") -> Iterator[Change]:
    """Regular files that differ between two trees, in the order of their names; equal subtrees are not read."""
    if old == new:
        return
    before = objects.tree(old) if old else {}
    after = objects.tree(new) if new else {}
    changed = (name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    for name in sorted(changed):
        left, right = before.get(name), after.get(name)
        path = f"{prefix}{name}"
        left_tree = left.oid if left and left.mode == TREE_MODE else None
        right_tree = right.oid if right and right.mode == TREE_MODE else None
        yield from diff(objects, left_tree, right_tree, path + "/")
        left_file = left.oid if left and left.mode == FILE_MODE else None
        right_file = right.oid if right and right.mode == FILE_MODE else None
        if left_file != right_file:
            yield Change(path, left_file, right_file)


def edit_tree(objects: Objects, root: bytes | None, edits: Iterable[tuple[str, Value]]) -> bytes | None:
    """The tree `root` with files set (blob id), entries of other modes set, or files removed (None); None when empty.

    Costs the size of the folders that are touched, not of the tree.
    """
    here: dict[str, Value] = {}
    below: dict[str, list[tuple[str, Value]]] = {}
    for path, value in edits:
        name, slash, rest = path.partition("/")
        if slash:
            below.setdefault(name, []).append((rest, value))
        else:
            here[name] = value
    lines = objects.tree(root) if root else {}
    for name, value in here.items():
        if value is not None:
            lines[name] = value if isinstance(value, Entry) else Entry(FILE_MODE, value)
        elif lines.get(name, Entry(b"", b"")).mode == FILE_MODE:
            del lines[name]
    for name, inner in below.items():
        old = lines.get(name)
        subtree = edit_tree(objects, old.oid if old and old.mode == TREE_MODE else None, inner)
        if subtree is not None:
            lines[name] = Entry(TREE_MODE, subtree)
        elif old is not None and old.mode == TREE_MODE:
            del lines[name]
    return objects.put_tree(lines) if lines else None
