"""Looking at the work tree: which managed files differ from what git's index remembers of them, and how.

Whole folders are looked at in processes of their own, so that the answer is small: what is as the index says is not
told of. At a hundred thousand items the interpreter is what costs most, hence bytes, tuples and plain loops here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat as stat_module
from collections.abc import Iterator
from pathlib import Path

import msgspec

from datakit.config import CONFIG_NAME
from datakit.errors import DskError, InputError, RepositoryError
from datakit.model.order import EXPORT
from datakit.repo.layout import MANAGED_FILES, MANAGED_FOLDERS, is_managed_name, is_stored_as_pointer
from datakit.store.index import Index, read_index
from datakit.store.indexlines import Seen
from datakit.store.lfs import parse_pointer, pointer
from datakit.store.parallel import spread_forked

FORK_AT_LEAST = 20_000
"""Lines in the index from which on folders are looked at by several processes."""
_CHUNK_BYTES = 1 << 20
_POINTER_AT_MOST = 1024
_POINTER_USUALLY_UNDER = 200
"""Bytes: an unchanged file over this, which is as large as its line says, is no pointer's text."""
_CAPTION_END = b".txt"
_MASK = 0xFFFFFFFF
_DOT = ord(".")
_ENDS = frozenset({b".png", b".jpg", b".txt", b".bmp", b".gif", b".csv", b".jxl", b".tif"})
_LONGER_ENDS = frozenset({b".json", b".webp", b".jpeg", b".avif", b".toml", b".tiff"})
"""Of the names that dsk looks after, nearly all; others take the longer way."""


class Found(msgspec.Struct):
    """What a look at some folders found."""

    looked: dict[str, tuple[os.stat_result, bytes]] = msgspec.field(default_factory=dict)
    """Managed files that the index does not prove unchanged: stat from before reading, blob that holds the content."""
    gone: list[str] = msgspec.field(default_factory=list)
    """Paths with a line in the index and no regular file."""
    unmanaged: list[str] = msgspec.field(default_factory=list)
    """Files in managed folders that dsk leaves alone."""
    bare: list[str] = msgspec.field(default_factory=list)
    """Images that are their pointer's text: of a clone without images."""

    def add(self, other: Found) -> None:
        """Take over what another look found."""
        self.looked.update(other.looked)
        self.gone += other.gone
        self.unmanaged += other.unmanaged
        self.bare += other.bare


class _Task(msgspec.Struct, frozen=True):
    """A folder to look at with all below it, and its lines in the index."""

    folder: str
    low: int
    high: int
    is_there: bool


class Look:
    """A look at the whole work tree, begun when it is made: in a large one, other processes go through the folders.

    Raises:
        InputError: a folder cannot be listed, or a changed file not be read.
        RepositoryError: a managed folder is a symbolic link.
    """

    def __init__(self, root: Path, index: Index) -> None:
        self.root = root
        self.index = index
        self._found = Found()
        for name in MANAGED_FILES:
            _look_at_file(root, index, name, self._found)
        tasks = [task for folder in MANAGED_FOLDERS for task in _plan(root, index, folder, self._found)]
        formats = [task for task in tasks if task.is_there and task.folder.startswith(f"{EXPORT}/")]  # of concepts
        tasks = [task for task in tasks if task not in formats]
        tasks += [task for one in formats for task in _plan(root, index, one.folder, self._found)]
        looker = _Looker(root, index)
        is_large = len(index.lines) >= FORK_AT_LEAST
        self._rest = spread_forked(looker.look, tasks, at_least=2, batch=1) if is_large else map(looker.look, tasks)

    def found(self) -> Found:
        """Wait for the end; every managed file was compared with its line, and only those that differ were read.

        Raises:
            InputError: a folder cannot be listed, or a changed file not be read.
        """
        for one in self._rest:
            self._found.add(one)
        return self._found


def begin_look(start: Path) -> Look | None:
    """Begin a look at the large dataset around `start` while the rest of the program loads; None in a small one.

    Whatever is unusual is left to those who open the dataset.
    """
    for root in (start, *start.parents):
        if (root / CONFIG_NAME).is_file():
            git = root / ".git"
            if not git.is_dir() or (root / ".dsk/journal.json").exists():
                return None
            try:
                index = read_index(git / "index")
                return Look(root, index) if len(index.lines) >= FORK_AT_LEAST else None
            except DskError:
                return None
    return None


def _look_at_file(root: Path, index: Index, path: str, found: Found) -> None:
    try:
        stat = (root / path).lstat()
    except FileNotFoundError:
        stat = None
    if stat is None or not stat_module.S_ISREG(stat.st_mode):
        if path in index.lines:
            found.gone.append(path)
    elif (line := index.is_current(path, stat)) is None or not line.is_file:
        found.looked[path] = stat, hash_file(root, path)


def _plan(root: Path, index: Index, folder: str, found: Found) -> Iterator[_Task]:
    """Look at what lies directly in a folder; the folders in it become tasks."""
    if (root / folder).is_symlink():
        raise RepositoryError(
            f"{root / folder}: is a symbolic link, and git does not look behind one",
            hint="put the folder itself there",
        )
    lines, prefix = index.lines, os.fsencode(f"{folder}/")
    position, high = lines.below(prefix[:-1])
    inside: dict[str, tuple[int, int]] = {}
    direct: dict[bytes, Seen | None] = {}
    while position < high:
        name, slash, _ = lines.name(position)[len(prefix) :].partition(b"/")
        after = position + 1
        if slash:
            first, after = lines.below(prefix + name, position, high)
            inside[os.fsdecode(name)] = first, after
        else:
            direct |= lines.seen(position, after, len(prefix), index.mtime_ns)
        position = after
    looker = _Looker(root, index)
    there = looker.look_here(folder, direct, found)
    for one in sorted({*inside, *there}):
        low, end = inside.get(one, (high, high))
        yield _Task(f"{folder}/{one}", low, end, one in there)


class _Looker:
    """Looks at folders."""

    def __init__(self, root: Path, index: Index) -> None:
        self._root = root
        self._index = index

    def look(self, task: _Task) -> Found:
        """Look at a folder and all below it."""
        found = Found()
        if not task.is_there:
            found.gone = [os.fsdecode(self._index.lines.name(position)) for position in range(task.low, task.high)]
            return found
        skip = len(os.fsencode(task.folder)) + 1
        seen = self._index.lines.seen(task.low, task.high, skip, self._index.mtime_ns)
        self._look_below(task.folder, seen, found)
        return found

    def _look_below(self, folder: str, seen: dict[bytes, Seen | None], found: Found) -> None:
        """`seen` has the lines of the folder and of all below it, by their path inside it."""
        deeper: dict[str, dict[bytes, Seen | None]] = {}
        if b"/" in b"".join(seen):
            for path in [path for path in seen if b"/" in path]:
                name, _, rest = path.partition(b"/")
                deeper.setdefault(os.fsdecode(name), {})[rest] = seen.pop(path)
        there = self.look_here(folder, seen, found)
        for one in there:
            self._look_below(f"{folder}/{one}", deeper.pop(one, {}), found)
        for one, missing in deeper.items():
            found.gone += [f"{folder}/{one}/{os.fsdecode(path)}" for path in missing]

    def look_here(self, folder: str, seen: dict[bytes, Seen | None], found: Found) -> list[str]:
        """Look at the files directly in a folder, whose lines are `seen`; returns the folders in it."""
        try:
            entries = os.scandir(os.fsencode(self._root / folder))
        except (FileNotFoundError, NotADirectoryError):
            entries = None
        except OSError as error:
            path = self._root / folder
            raise InputError(f"{path}: {error.strerror}", hint="check the folder's permissions") from error
        folders: list[str] = []
        if entries is not None:
            with entries:
                for entry in self._unproven(entries, seen, folder, found):
                    self._look_closer(entry, folder, seen, folders, found)
        found.gone += [f"{folder}/{os.fsdecode(name)}" for name in seen]
        return folders

    def _unproven(
        self, entries: Iterator[os.DirEntry[bytes]], seen: dict[bytes, Seen | None], folder: str, found: Found
    ) -> Iterator[os.DirEntry[bytes]]:
        """The entries that are no managed, unchanged files; lines of the others leave `seen`."""
        small: list[bytes] = []
        ends, longer_ends, take = _ENDS, _LONGER_ENDS, seen.pop
        for entry in entries:
            name = entry.name
            line = take(name, None)
            if line is not None:
                end = name[-4:]
                if (
                    (end in ends or name[-5:] in longer_ends)
                    and name[0] != _DOT
                    and entry.is_file(follow_symlinks=False)
                ):
                    try:
                        stat = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:  # removed since it was listed
                        seen[name] = line
                        continue
                    if line == (stat.st_mtime_ns, stat.st_size, stat.st_ino & _MASK):
                        if line[1] < _POINTER_USUALLY_UNDER and end != _CAPTION_END:
                            small.append(name)
                        continue
                seen[name] = line
            yield entry
        paths = (f"{folder}/{os.fsdecode(name)}" for name in small)
        found.bare += [path for path in paths if is_stored_as_pointer(path) and self._is_bare(path)]

    def _look_closer(
        self, entry: os.DirEntry[bytes], folder: str, seen: dict[bytes, Seen | None], folders: list[str], found: Found
    ) -> None:
        name = os.fsdecode(entry.name)
        path = f"{folder}/{name}"
        if entry.is_dir(follow_symlinks=False):
            if not name.startswith("."):
                folders.append(name)
        elif is_managed_name(name) and entry.is_file(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                stat = entry.stat(follow_symlinks=False)
                seen.pop(entry.name, None)
                line = self._index.is_current(path, stat)
                if line is None or not line.is_file:
                    found.looked[path] = stat, hash_file(self._root, path)
                if stat.st_size <= _POINTER_AT_MOST and is_stored_as_pointer(path) and self._is_bare(path):
                    found.bare.append(path)
        elif not name.startswith("."):
            found.unmanaged.append(os.fsencode(path).decode("utf-8", "backslashreplace"))

    def _is_bare(self, path: str) -> bool:
        try:
            data = (self._root / path).read_bytes()
        except OSError:
            return False
        return bool(data) and parse_pointer(data) is not None


def hash_file(root: Path, path: str) -> bytes:
    """Id of the blob that would hold this work-tree file: its content, or its pointer.

    A file that already is pointer text (a clone without images) stands for itself.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with (root / path).open("rb") as file:
            if not is_stored_as_pointer(path):
                return blob_id(file.read())
            head = file.read(_CHUNK_BYTES)
            if parse_pointer(head[:1025]):
                return blob_id(head)
            digest, size = hashlib.sha256(head), len(head)
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="check the file's permissions") from error
    return blob_id(pointer(digest.hexdigest(), size))


def blob_id(data: bytes) -> bytes:
    """Git's id of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).digest()
