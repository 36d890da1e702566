"""Git's index: read and written with true stat data, which libgit2's interface leaves out.

The index is dsk's stat cache too: a file whose stat equals its line has the content that the line names.
Its lines: indexlines.py. Format: git's Documentation/gitformat-index. Read: versions 2, 3 and 4; written: version 2,
or 3 where a line needs it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path

from datakit.errors import LockedError, RepositoryError, WriteError
from datakit.store.indexlines import (
    FIXED,
    ODD_BITS,
    IndexLine,
    Lines,
    line_for,
    lines_of,
    name_at,
    unknown_line,
)
from datakit.store.lock import Wait
from datakit.store.streams import write_fully

__all__ = [
    "Index",
    "IndexLine",
    "Lines",
    "checksum_holds",
    "is_as_read",
    "line_for",
    "locked_index",
    "read_index",
    "unknown_line",
    "write_index",
]

_STAGE_BITS = 0x3000
_EXTENDED_BIT = 0x4000
_LENGTH_BITS = 0xFFF
_SKIP_WORKTREE_BIT = 0x4000
"""In the second pair of flags."""
_UNSUPPORTED = {b"link", b"sdir"}
_MARK = b"dsk "
WAIT_S = 3.0
"""How long a git command may hold the index before dsk gives up."""


class Index:
    """All lines by path, in no particular order."""

    def __init__(
        self, lines: Mapping[str, IndexLine], mtime_ns: int, *, tree: bytes | None = None, inode: int = 0
    ) -> None:
        self.lines = lines_of(lines)
        self.mtime_ns = mtime_ns
        self.inode = inode
        self.tree = tree
        """The tree that git found equal to all lines, if it noted one."""

    def is_current(self, path: str, stat: os.stat_result) -> IndexLine | None:
        """The line of an unchanged file; None when it must be read to know.

        A file changed within the index's own clock tick could keep its stat, so such a line proves nothing.
        """
        line = self.lines.get(path)
        if line is None or not line.matches(stat) or line.mtime_ns >= self.mtime_ns:
            return None
        return line


def read_index(path: Path) -> Index:
    """Read an index; an absent file is an empty one.

    Raises:
        RepositoryError: damaged, of an unknown version, split, or with unresolved merge conflicts.
    """
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            data = file.read()
    except FileNotFoundError:
        return Index({}, 0)
    if len(data) < 32 or data[:4] != b"DIRC":
        raise RepositoryError(f"{path}: not a git index", hint="delete it; dsk rebuilds it")
    version, count = struct.unpack_from(">II", data, 4)
    if version not in {2, 3, 4}:
        raise RepositoryError(f"{path}: unknown git index version {version}", hint="git update-index --index-version 2")
    try:
        data = _expanded(data, count) if version == 4 else data
        offsets, end = _offsets(data, count)
    except (ValueError, IndexError) as error:
        raise RepositoryError(f"{path}: damaged", hint="delete it; dsk rebuilds it") from error
    extensions = dict(_extensions(data, end))
    if _UNSUPPORTED.intersection(extensions):
        raise _unsupported()
    tree = _noted_tree(extensions.get(b"TREE", b""))
    return Index(Lines(data, offsets, end), stat.st_mtime_ns, tree=tree, inode=stat.st_ino)


def is_as_read(index: Index, path: Path) -> bool:
    """Whether the file is still the one that was read: whoever writes an index makes a new file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return False
    return (stat.st_mtime_ns, stat.st_ino) == (index.mtime_ns, index.inode)


def _unsupported() -> RepositoryError:
    return RepositoryError(
        "split and sparse git indexes are not supported",
        hint="git update-index --no-split-index; git sparse-checkout disable",
    )


def _extensions(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Signature and content of the extensions behind the lines; a checksum ends the file."""
    while at < len(data) - 20:
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "big")
        yield data[at : at + 4], data[at + 8 : end]
        at = end


def _noted_tree(extension: bytes) -> bytes | None:
    """Id of the root's tree in a TREE extension, unless a line changed since."""
    path, _, rest = extension.partition(b"\0")
    counts, _, rest = rest.partition(b"\n")
    is_valid = not path and counts and not counts.startswith(b"-")
    return rest[:20] if is_valid else None


def _offsets(data: bytes, count: int) -> tuple[array[int], int]:
    """Where each line of an index of version 2 or 3 begins, and where the last one ends.

    Raises:
        IndexError, ValueError: the lines do not fit into the file.
    """
    offsets = array("Q")
    add = offsets.append
    at = 12
    for _ in range(count):
        add(at)
        if data[at + 60] & ODD_BITS:
            at = _end_of_odd(data, at)
        else:
            at += (data[at + 61] + FIXED + 8) & ~7
    if at > len(data) - 20:
        raise IndexError(at)
    return offsets, at


def _end_of_odd(data: bytes, at: int) -> int:
    """End of a line that has a name of 256 bytes or more, more flags, or a side of a merge."""
    flags = int.from_bytes(data[at + 60 : at + 62], "big")
    if flags & _STAGE_BITS:
        raise RepositoryError("a git merge has unresolved conflicts", hint="git merge --abort, or resolve them")
    length = FIXED + len(name_at(data, at))
    if flags & _EXTENDED_BIT:
        length += 2
        if int.from_bytes(data[at + 62 : at + 64], "big") & _SKIP_WORKTREE_BIT:
            raise _unsupported()
    return at + (length + 8 & ~7)


def _expanded(data: bytes, count: int) -> bytes:
    """An index of version 4, whose names leave out what they share with the one before, as version 3."""
    parts = [b""]
    version, at, name = 2, 12, b""
    for _ in range(count):
        flags = int.from_bytes(data[at + 60 : at + 62], "big")
        more = data[at + 62 : at + 64] if flags & _EXTENDED_BIT else b""
        version = 3 if more else version
        strip, name_begin = _offset(data, at + FIXED + len(more))
        end = data.index(b"\0", name_begin)
        name = name[: len(name) - strip] + data[name_begin:end]
        kept = flags & ~_LENGTH_BITS | min(len(name), _LENGTH_BITS)
        line = data[at : at + 60] + kept.to_bytes(2, "big") + more + name
        parts.append(line + bytes(8 - len(line) % 8))
        at = end + 1
    parts[0] = data[:4] + struct.pack(">II", version, count)
    return b"".join([*parts, data[at:]])


def _offset(data: bytes, at: int) -> tuple[int, int]:
    """Git's offset encoding, as in the pack format: (value, position after it)."""
    value = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (data[at] & 0x7F)
    return value, at + 1


@contextlib.contextmanager
def locked_index(path: Path) -> Iterator[Path]:
    """Git's own lock on the index; yields the file to write the new index to.

    The caller is the only dsk at work here (see store/lock.py), so a lock that bears dsk's mark was left by a
    killed process: it is taken over. The lock file keeps that mark until it goes; the index is written beside it.
    A git command has its own for a moment only, so that one is waited for.

    Raises:
        LockedError: another git command holds it, and goes on doing so.
    """
    lock = path.with_name(path.name + ".lock")
    new = path.with_name(f"{path.name}.dsk")
    try:
        if _is_ours(lock):
            lock.unlink()
        new.write_bytes(_MARK + str(os.getpid()).encode())
        _claim_in_time(new, lock)
    except FileExistsError as error:
        raise LockedError(
            f"{lock} exists: a git command is at work here",
            hint="wait until it is done; if none is running, delete that file",
        ) from error
    except OSError as error:
        raise WriteError(f"{lock}: {error.strerror}", hint="the dataset's folder must be writable") from error
    finally:
        new.unlink(missing_ok=True)
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)


def _claim_in_time(marked: Path, lock: Path) -> None:
    wait = Wait(WAIT_S)
    while True:
        try:
            _claim(marked, lock)
        except FileExistsError:
            if not wait.goes_on(f"a git command ({lock})"):
                raise
        else:
            return


def _claim(marked: Path, lock: Path) -> None:
    """Make the lock appear with its mark in one step, where the file system has hard links."""
    try:
        os.link(marked, lock)
    except FileExistsError:
        raise
    except OSError:
        with lock.open("xb") as file:
            file.write(marked.read_bytes())


def _is_ours(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            return file.read(len(_MARK)) == _MARK
    except FileNotFoundError:
        return False


def write_index(path: Path, lines: Mapping[str, IndexLine], new: Path) -> None:
    """Write an index by way of the file that `locked_index` gave."""
    body = lines_of(lines).encoded()
    with new.open("wb", buffering=0) as file:
        write_fully(file, memoryview(body))
        write_fully(file, memoryview(hashlib.sha1(body).digest()))
    new.replace(path)


def checksum_holds(path: Path) -> bool:
    """Whether an index is as git wrote it: it ends with a checksum, or with zeros where git was told to skip it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return True
    return data[-20:] in {bytes(20), hashlib.sha1(memoryview(data)[:-20]).digest()}
