"""The lines of git's index: read where they lie in the file, changed without touching the others."""

from __future__ import annotations

import os
import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from typing import Final

_STAT = struct.Struct(">IIIIIIIIII")
_COMPARED = struct.Struct(">8xII4xII8xI")
"""Modification time in seconds and nanoseconds, inode, mode, size."""
FIXED: Final = 62
"""Bytes of a line before its name, without the second pair of flags."""
_LONG_NAME: Final = 0xFFF
_FILE_MODE = 0o100644
_FILE_MODE_BYTES = _FILE_MODE.to_bytes(4, "big")
_MASK = 0xFFFFFFFF
_KEPT_BITS = 0xC0
_EXTENDED_BIT = 0x40
ODD_BITS: Final = 0x7F
"""Of the first byte of flags: a name of 256 bytes or more, more flags, or a side of a merge."""
_TABLE_AT_LEAST = 2000
_TABLE_FRACTION = 4
"""A table of all names is made after one question for every so many lines: it costs time and memory."""
_NEAR = 64
"""Lines: people and dsk ask in the order of names, mostly."""
_ENCODING, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()


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


def encode_line(name: bytes, raw: bytes) -> bytes:
    """A line as it stands in an index of version 2 or 3; `raw` as in `IndexLine`."""
    flags = raw[60] << 8 | min(len(name), _LONG_NAME)
    padding = 8 - (len(raw) + len(name)) % 8
    return b"%s%s%s%s%s" % (raw[:60], flags.to_bytes(2, "big"), raw[62:], name, bytes(padding))


Seen = tuple[int, int, int]
"""What a line remembers of a file: modification time in nanoseconds; size and inode, of which it has 32 bits."""


class Lines(MutableMapping[str, IndexLine]):
    """Path → line. Nothing is unpacked before it is asked for, so that a single change costs little in any size.

    `data` holds the lines as an index of version 2 or 3 does, sorted by name, from `start` to `end`.
    """

    def __init__(self, data: bytes, offsets: array[int], end: int) -> None:
        self._data = data
        self._offsets = offsets
        self._end = end
        self._changed: dict[bytes, bytes | None] = {}
        self._last = 0
        self._lookups = 0
        self._table: dict[bytes, int] | None = None

    def __getitem__(self, path: str) -> IndexLine:
        name = os.fsencode(path)
        if name in self._changed:
            raw = self._changed[name]
            if raw is None:
                raise KeyError(path)
            return IndexLine(raw)
        position = self._find(name)
        if position is None:
            raise KeyError(path)
        return self._line(self._offsets[position])

    def __setitem__(self, path: str, line: IndexLine) -> None:
        self._changed[os.fsencode(path)] = line.raw

    def __delitem__(self, path: str) -> None:
        if path not in self:
            raise KeyError(path)
        self._changed[os.fsencode(path)] = None

    def __iter__(self) -> Iterator[str]:
        for at in self._offsets:
            name = name_at(self._data, at)
            if name not in self._changed:
                yield os.fsdecode(name)
        for name, raw in list(self._changed.items()):
            if raw is not None:
                yield os.fsdecode(name)

    def __len__(self) -> int:
        changed = self._changed.items()
        return len(self._offsets) + sum((raw is not None) - (self._find(name) is not None) for name, raw in changed)

    def blobs(self) -> dict[str, bytes]:
        """Path → blob id of every regular file."""
        data, found = self._data, {}
        for at in self._offsets:
            if data[at + 24 : at + 28] == _FILE_MODE_BYTES:
                found[name_at(data, at).decode(_ENCODING, _ERRORS)] = data[at + 40 : at + 60]
        for name, raw in self._changed.items():
            path = os.fsdecode(name)
            found.pop(path, None)
            if raw is not None and IndexLine(raw).is_file:
                found[path] = raw[40:60]
        return found

    def with_blobs(self, wanted: Collection[bytes]) -> Iterator[tuple[str, IndexLine]]:
        """The lines that name one of these blobs."""
        data = self._data
        for at in self._offsets if wanted else ():
            if data[at + 40 : at + 60] in wanted:
                name = name_at(data, at)
                if name not in self._changed:
                    yield os.fsdecode(name), self._line(at)
        for name, raw in list(self._changed.items()):
            if raw is not None and raw[40:60] in wanted:
                yield os.fsdecode(name), IndexLine(raw)

    def below(self, prefix: bytes, low: int = 0, high: int | None = None) -> tuple[int, int]:
        """First and last but one position, among unchanged lines, of the names that begin with `prefix/`."""
        high = len(self._offsets) if high is None else high
        first = self._bisect(prefix + b"/", low, high)
        return first, self._bisect(prefix + b"0", first, high)  # "0" follows "/"

    def name(self, position: int) -> bytes:
        """Name of the line at a position."""
        return name_at(self._data, self._offsets[position])

    def seen(self, low: int, high: int, skip: int, before_ns: int) -> dict[bytes, Seen | None]:
        """Name without its first `skip` bytes → what the line remembers, of the lines from `low` to `high`.

        None where it proves nothing: no regular file, or a time not before `before_ns`.
        """
        data, unpack = self._data, _COMPARED.unpack_from
        found: dict[bytes, Seen | None] = {}
        for at in self._offsets[low:high]:
            seconds, nanoseconds, inode, mode, size = unpack(data, at)
            mtime_ns = seconds * 1_000_000_000 + nanoseconds
            odd = data[at + 60] & ODD_BITS
            name = name_at(data, at)[skip:] if odd else data[at + FIXED + skip : at + FIXED + data[at + 61]]
            found[name] = (mtime_ns, size, inode) if mtime_ns < before_ns and mode == _FILE_MODE else None
        return found

    def encoded(self) -> bytes:
        """An index of these lines, without its checksum: unchanged lines are copied as they are."""
        view, position = memoryview(self._data), 0
        start = self._offsets[0] if self._offsets else self._end
        version, number = int.from_bytes(self._data[4:8], "big"), len(self._offsets)
        parts: list[bytes | memoryview] = [b""]
        for name in sorted(self._changed):
            position = self._near(name, position)
            at = self._offset(position)
            parts.append(view[start:at])
            is_there = position < len(self._offsets) and name_at(self._data, at) == name
            start = self._offset(position + 1) if is_there else at
            raw = self._changed[name]
            number += (raw is not None) - is_there
            if raw is not None:
                version = 3 if len(raw) > FIXED else version
                parts.append(encode_line(name, raw))
        parts[0] = b"DIRC" + struct.pack(">II", version, number)
        return b"".join([*parts, view[start : self._end]])

    def _offset(self, position: int) -> int:
        return self._offsets[position] if position < len(self._offsets) else self._end

    def _line(self, at: int) -> IndexLine:
        flags = self._data[at + 60]
        more = self._data[at + FIXED : at + FIXED + 2] if flags & _EXTENDED_BIT else b""
        return IndexLine(self._data[at : at + 60] + bytes((flags & _KEPT_BITS, 0)) + more)

    def _find(self, name: bytes) -> int | None:
        """Position of a name; after very many such questions a table answers them."""
        if self._table is None:
            self._lookups += 1
            if self._lookups > max(_TABLE_AT_LEAST, len(self._offsets) // _TABLE_FRACTION):
                self._table = {name_at(self._data, at): position for position, at in enumerate(self._offsets)}
            self._last = position = self._near(name, self._last)
            return position if position < len(self._offsets) and self.name(position) == name else None
        return self._table.get(name)

    def _near(self, name: bytes, hint: int) -> int:
        """Position of a name, or where it would be; soon found where it comes shortly after the position `hint`."""
        low, high = 0, len(self._offsets)
        if hint < high and self.name(hint) <= name:
            low, near = hint, hint + _NEAR
            if near < high and self.name(near) >= name:
                high = near
        return self._bisect(name, low, high)

    def _bisect(self, name: bytes, low: int, high: int) -> int:
        return bisect_left(self._offsets, name, low, high, key=lambda at: name_at(self._data, at))


def lines_of(lines: Mapping[str, IndexLine]) -> Lines:
    """The same lines, as of an index that is not there yet."""
    if isinstance(lines, Lines):
        return lines
    fresh = Lines(b"DIRC" + struct.pack(">II", 2, 0), array("Q"), 12)
    fresh.update(lines)
    return fresh


def name_at(data: bytes, at: int) -> bytes:
    """Name of the line that begins at `at`."""
    flags = data[at + 60]
    start = at + FIXED + (2 if flags & _EXTENDED_BIT else 0)
    length = (flags & 0xF) << 8 | data[at + 61]
    if length == _LONG_NAME:
        return data[start : data.index(b"\0", start + length)]
    return data[start : start + length]
