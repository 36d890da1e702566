"""Git's index: read and written with true stat data, which libgit2's interface leaves out.

The index is dsk's stat cache too: a file whose stat equals its line has the content that the line names.
Format: git's Documentation/gitformat-index. Read: versions 2, 3 and 4; written: version 2, or 3 where a
line needs it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from datakit.errors import LockedError, RepositoryError, WriteError

_STAT = struct.Struct(">IIIIIIIIII")
_FIXED = 62
_FILE_MODE = 0o100644
_FILE_MODE_BYTES = _FILE_MODE.to_bytes(4, "big")
_STAGE_BITS = 0x3000
_EXTENDED_BIT = 0x4000
_KEPT_BITS = 0xC000
_SKIP_WORKTREE_BIT = 0x4000
"""In the second pair of flags."""
_UNSUPPORTED = {b"link", b"sdir"}
_MARK = b"dsk "
_MASK = 0xFFFFFFFF


class IndexLine:
    """The bytes of one line before its name: stat data, object id, flags (without the name's length)."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @property
    def oid(self) -> bytes:
        """Id of the blob."""
        return self.raw[40:60]

    def matches(self, stat: os.stat_result) -> bool:
        """Whether a file with this stat is unchanged: modification time, size and inode."""
        fields = _STAT.unpack_from(self.raw)
        return bool(
            fields[2] == stat.st_mtime_ns // 1_000_000_000 & _MASK
            and fields[3] == stat.st_mtime_ns % 1_000_000_000
            and fields[9] == stat.st_size & _MASK
            and fields[5] == stat.st_ino & _MASK
        )

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file as dsk writes them: no symbolic link, submodule or executable."""
        return self.raw[24:28] == _FILE_MODE_BYTES

    @property
    def mtime_ns(self) -> int:
        """Modification time that the line remembers."""
        return int.from_bytes(self.raw[8:12], "big") * 1_000_000_000 + int.from_bytes(self.raw[12:16], "big")


def line_for(stat: os.stat_result, oid: bytes) -> IndexLine:
    """The line of a regular file."""
    ctime_s, ctime_ns = divmod(stat.st_ctime_ns, 1_000_000_000)
    mtime_s, mtime_ns = divmod(stat.st_mtime_ns, 1_000_000_000)
    raw = _STAT.pack(
        ctime_s & _MASK,
        ctime_ns,
        mtime_s & _MASK,
        mtime_ns,
        stat.st_dev & _MASK,
        stat.st_ino & _MASK,
        _FILE_MODE,
        stat.st_uid & _MASK,
        stat.st_gid & _MASK,
        stat.st_size & _MASK,
    )
    return IndexLine(raw + oid + b"\0\0")


def unknown_line(oid: bytes) -> IndexLine:
    """The line of a file whose stat is not known to go with `oid`: git reads the file to compare."""
    return IndexLine(_STAT.pack(0, 0, 0, 0, 0, 0, _FILE_MODE, 0, 0, 0) + oid + b"\0\0")


class Index:
    """All lines by path, in no particular order."""

    def __init__(self, lines: dict[str, IndexLine], mtime_ns: int) -> None:
        self.lines = lines
        self.mtime_ns = mtime_ns

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
            mtime_ns = os.fstat(file.fileno()).st_mtime_ns
            data = file.read()
    except FileNotFoundError:
        return Index({}, 0)
    if len(data) < 32 or data[:4] != b"DIRC":
        raise RepositoryError(f"{path}: not a git index", hint="delete it; dsk rebuilds it")
    version, count = struct.unpack_from(">II", data, 4)
    if version not in {2, 3, 4}:
        raise RepositoryError(f"{path}: unknown git index version {version}", hint="git update-index --index-version 2")
    try:
        lines, end = _parse(data, version, count)
    except (ValueError, IndexError) as error:
        raise RepositoryError(f"{path}: damaged", hint="delete it; dsk rebuilds it") from error
    if _UNSUPPORTED.intersection(_extensions(data, end)):
        raise _unsupported()
    return Index(lines, mtime_ns)


def _unsupported() -> RepositoryError:
    return RepositoryError(
        "split and sparse git indexes are not supported",
        hint="git update-index --no-split-index; git sparse-checkout disable",
    )


def _extensions(data: bytes, at: int) -> Iterator[bytes]:
    """Signatures of the extensions behind the lines; a checksum ends the file."""
    while at < len(data) - 20:
        yield data[at : at + 4]
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "big")


def _parse(data: bytes, version: int, count: int) -> tuple[dict[str, IndexLine], int]:
    lines: dict[str, IndexLine] = {}
    at = 12
    previous = b""
    for _ in range(count):
        flags = int.from_bytes(data[at + 60 : at + 62], "big")
        if flags & _STAGE_BITS:
            raise RepositoryError("a git merge has unresolved conflicts", hint="git merge --abort, or resolve them")
        more = b""
        if flags & _EXTENDED_BIT:
            more = data[at + 62 : at + 64]
            if int.from_bytes(more, "big") & _SKIP_WORKTREE_BIT:
                raise _unsupported()
        name_at = at + _FIXED + len(more)
        if version == 4:
            strip, name_at = _offset(data, name_at)
            end = data.index(b"\0", name_at)
            previous = previous[: len(previous) - strip] + data[name_at:end]
            name, next_at = previous, end + 1
        else:
            end = data.index(b"\0", name_at)
            name, next_at = data[name_at:end], at + ((end - at) // 8 + 1) * 8
        lines[os.fsdecode(name)] = IndexLine(data[at : at + 60] + (flags & _KEPT_BITS).to_bytes(2, "big") + more)
        at = next_at
    return lines, at


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

    Raises:
        LockedError: another git command holds it.
    """
    lock = path.with_name(path.name + ".lock")
    new = path.with_name(f"{path.name}.dsk")
    try:
        if _is_ours(lock):
            lock.unlink()
        new.write_bytes(_MARK + str(os.getpid()).encode())
        _claim(new, lock)
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


def write_index(path: Path, lines: dict[str, IndexLine], new: Path) -> None:
    """Write an index by way of the file that `locked_index` gave."""
    rows = sorted((os.fsencode(name), line.raw) for name, line in lines.items())
    version = 3 if any(len(raw) > _FIXED for _, raw in rows) else 2
    parts = [b"DIRC" + struct.pack(">II", version, len(rows))]
    for name, raw in rows:
        flags = raw[60] << 8 | min(len(name), 0xFFF)
        parts.append(b"%s%s%s%s" % (raw[:60], flags.to_bytes(2, "big"), raw[62:], name))
        parts.append(b"\0" * (8 - (len(raw) + len(name)) % 8))
    body = b"".join(parts)
    new.write_bytes(body + hashlib.sha1(body).digest())
    new.replace(path)
