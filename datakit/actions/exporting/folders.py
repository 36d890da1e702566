"""Bringing a folder outside the dataset to what an export is: file by file, and nobody else's file touched."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
import stat as stat_module
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from datakit.actions.exporting.streaming import HashedFile
from datakit.errors import StateError, WriteError
from datakit.exports.expressing import some
from datakit.exports.model import Pack, Plan
from datakit.model.item import ImageRef
from datakit.repo.dataset import Dataset
from datakit.store.links import Linker
from datakit.store.parallel import spread
from datakit.store.streams import copy_stream, create, read_content, replace, write_fully

SCRATCH: Final = ".dsk-export"
"""Folder beside the files, where they are on their way to their places."""
ANY: Final[frozenset[str]] = frozenset({"*"})
"""Among hashes: whatever stands there."""
_CURES: Final = {
    errno.ENOSPC: "free some space, then export again: it goes on where it stopped",
    errno.EDQUOT: "free some of your quota, then export again: it goes on where it stopped",
    errno.EFBIG: "the file system, or a limit (ulimit -f), allows no larger file",
}
_ASIDE: Final = frozenset({"", ".", ".."})
"""Parts that a path inside a folder does not have."""
_NAMES: Final = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}

Source = ImageRef | bytes | Pack
Hashes = Mapping[str, frozenset[str]]


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """What a file was when its content was known."""

    size_bytes: int
    mtime_ns: int
    inode: int
    sha256: str

    def fits(self, stat: os.stat_result) -> bool:
        """Whether the file is still that one."""
        return (self.size_bytes, self.mtime_ns, self.inode) == (stat.st_size, stat.st_mtime_ns, stat.st_ino)


class Standing(NamedTuple):
    """What stands at a path."""

    stat: os.stat_result
    sha256: str
    """'' where it is no file."""

    @property
    def stamp(self) -> Stamp:
        """To know it again without reading it."""
        return Stamp(self.stat.st_size, self.stat.st_mtime_ns, self.stat.st_ino, self.sha256)


def sources_of(plan: Plan) -> dict[str, Source]:
    """Path → what comes there, sorted."""
    return dict(sorted((plan.images | plan.texts | plan.packs).items()))


def hash_of(source: Source) -> str:
    """sha256 of what comes to a path; '' of a pack, which nobody knows before it is written."""
    if isinstance(source, ImageRef):
        return source.sha256
    return hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else ""


def look(folder: Path, paths: Iterable[str], stamps: Mapping[str, Stamp]) -> dict[str, Standing]:
    """What stands at some paths of a folder; read only where a stamp does not tell."""
    found: dict[str, Standing] = {}
    root = str(folder)
    unread: list[tuple[str, os.stat_result]] = []
    for path in paths:
        try:
            stat = os.lstat(f"{root}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        stamp = stamps.get(path)
        if stamp is not None and stamp.fits(stat):
            found[path] = Standing(stat, stamp.sha256)
        elif stat_module.S_ISREG(stat.st_mode):
            unread.append((path, stat))
        else:
            found[path] = Standing(stat, "")
    hashes = spread(lambda row: _hash_file(f"{root}/{row[0]}"), unread)
    found.update((path, Standing(stat, sha)) for (path, stat), sha in zip(unread, hashes, strict=True))
    return found


def _hash_file(name: str) -> str:
    try:
        with open(name, "rb", buffering=0) as file:  # noqa: PTH123
            return read_content(file).sha256
    except FileNotFoundError:
        return ""


class Todo(NamedTuple):
    """What must be done to a folder; the paths of each kind are sorted."""

    right: dict[str, str]
    """Path → sha256, of what is there already."""
    fresh: list[str]
    """Missing, or of an earlier export."""
    gone: list[str]
    """Of an earlier export, and not of this one."""
    foreign: list[str]
    """Where something stands that somebody made or changed: it stays."""


def sort_out(wanted: Hashes, ours: Hashes, found: Mapping[str, str]) -> Todo:
    """Path by path, what must be done.

    Args:
        wanted: path → the hashes of which each is right; none where nobody knows.
        ours: path → what an earlier export wrote there.
        found: path → sha256 of what stands there; '' of a folder or a link, which dsk never wrote.
    """
    todo = Todo({}, [], [], [])
    for path in sorted(wanted.keys() | ours.keys()):
        has, mine = found.get(path), ours.get(path, frozenset())
        is_ours = bool(has) and (has in mine or mine >= ANY)
        if has is not None and has in wanted.get(path, ()):
            todo.right[path] = has
        elif path in wanted and (has is None or is_ours):
            todo.fresh.append(path)
        elif is_ours:
            todo.gone.append(path)
        elif has is not None:
            todo.foreign.append(path)
    return todo


def is_inside(path: str) -> bool:
    """Whether a path, as a manifest has it, stays in the folder."""
    if "\\" in path or "\0" in path:
        return False
    return _ASIDE.isdisjoint(path.split("/"))


def refuse_obstacles(folder: Path, paths: Iterable[str], going: Iterable[str] = ()) -> None:
    """Look before the first change whether each folder that is needed is one, and no link to somewhere else.

    Args:
        going: files that go before anything is written.

    Raises:
        WriteError: a file or a link stands in the way.
    """
    left = set(going)
    parents = {parent for path in paths for parent in _parents(path)}
    for parent in sorted(parents):
        try:
            mode = os.lstat(f"{folder}/{parent}").st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat_module.S_ISDIR(mode) and parent not in left:
            what = "symbolic link" if stat_module.S_ISLNK(mode) else "file"
            raise WriteError(f"{folder}/{parent}: a {what} stands where a folder must be", hint="move it elsewhere")


def _parents(path: str) -> Iterator[str]:
    folder = path.rpartition("/")[0]
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]


def refuse_absent(dataset: Dataset, images: Iterable[ImageRef]) -> None:
    """Refuse what cannot be written in full.

    Raises:
        StateError: an image is not in this clone.
    """
    absent = sorted({ref.sha256[:12] for ref in images if not dataset.lfs.has(ref)})
    if absent:
        raise StateError(f"images that are not in this clone: {some(absent)}", hint="dsk pull fetches them")


def remove(folder: Path, paths: Iterable[str]) -> None:
    """Remove files, and the folders that become empty."""
    folders: set[str] = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(f"{folder}/{path}")  # noqa: PTH108
        folders.update(_parents(path))
    for parent in sorted(folders, key=lambda name: -name.count("/")):
        with contextlib.suppress(OSError):  # somebody's file is in it
            os.rmdir(f"{folder}/{parent}")  # noqa: PTH106


class Writer:
    """Writes files of an export, each under another name first."""

    def __init__(
        self, dataset: Dataset, folder: Path, *, scratch: Path, copies: bool, donors: Mapping[str, str]
    ) -> None:
        self._dataset = dataset
        self._folder = folder
        self._scratch = scratch
        self._linker = Linker(scratch)
        self._copies = copies
        self._donors = donors
        """sha256 → an image of the work tree, the only kind of file that is linked."""
        self._serial = itertools.count()
        self.num_copied = 0
        """Images that share no bytes with the dataset."""

    def write(self, path: str, source: Source) -> Standing:
        """Bring one file to its place; what is known of it."""
        target = f"{self._folder}/{path}"
        if isinstance(source, ImageRef):
            return Standing(self._place(source, target), source.sha256)
        temporary = f"{self._scratch}/{os.getpid()}-{next(self._serial)}"
        if isinstance(source, bytes):
            with create(temporary) as file:
                write_fully(file, memoryview(source))
                stat = os.fstat(file.fileno())
            sha = hash_of(source)
        else:
            stat, sha = write_pack(self._dataset, source, temporary)
        replace(temporary, target)
        return Standing(stat, sha)

    def _place(self, ref: ImageRef, target: str) -> os.stat_result:
        content = self._dataset.lfs.path(ref.sha256)
        if self._copies:
            self.num_copied += 1
            return self._copy(content, target)
        placed = self._linker.place(content, target, donor=self._donors.get(ref.sha256))
        self.num_copied += placed.strategy == "copy"
        return placed.stat

    def _copy(self, content: Path, target: str) -> os.stat_result:
        """A file of its own, which may be written to."""
        temporary = f"{self._scratch}/{os.getpid()}-{next(self._serial)}"
        with open(content, "rb", buffering=0) as source, create(temporary) as file:  # noqa: PTH123
            before = os.fstat(source.fileno())
            copy_stream(source, file)
            os.utime(file.fileno(), ns=(before.st_mtime_ns, before.st_mtime_ns))
            stat = os.fstat(file.fileno())
        replace(temporary, target)
        return stat


def write_pack(dataset: Dataset, pack: Pack, name: str) -> tuple[os.stat_result, str]:
    """Write a pack into a new file; its stat and sha256."""
    with create(name) as file, HashedFile(file) as hashed:
        pack.write(hashed.out, lambda ref: dataset.lfs.read(ref.sha256))
        sha256 = hashed.finish()
        return os.fstat(file.fileno()), sha256


@contextlib.contextmanager
def scratch_in(folder: Path, name: str = SCRATCH) -> Iterator[Path]:
    """A folder for files on their way, begun empty and gone afterwards, whatever happens."""
    scratch = folder / name
    _clear(scratch)
    try:
        scratch.mkdir(parents=True)
        yield scratch
    finally:
        _clear(scratch)


def _clear(scratch: Path) -> None:
    if scratch.is_symlink():
        raise WriteError(f"{scratch}: a symbolic link, where dsk has its temporary files", hint="remove it")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(scratch)


@contextlib.contextmanager
def disk_refusals(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into a WriteError that names the file and the cure."""
    try:
        yield
    except OSError as error:
        where = error.filename2 or error.filename or folder
        if error.errno in _NAMES:
            raise WriteError(
                f"{where}: this file system cannot hold the name ({error.strerror})",
                hint="dsk mv renames the item; or choose another disk",
            ) from error
        cure = _CURES.get(error.errno or 0, "check the disk and the permissions, then export again")
        raise WriteError(f"{where}: {error.strerror or error}", hint=cure) from error
