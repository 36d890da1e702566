"""A table of items in one file: sections that are read where they lie, and only when they are asked for.

Layout: a mark, the length and the CRC-32 of the head, the head (JSON: what the table was made from, and each section's
place, length and CRC-32), the sections. Texts have a NUL behind each; numbers are arrays of this machine's kind.
Of a word whose values many rows share there are the sorted values, the number of rows with each, and for each value
its rows: their numbers, or a bit for every row where that is shorter.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import sys
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, compress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from datakit.model.item import stem_of
from datakit.tags.query.evaluating import bits_at

_MARK: Final = b"dskfind\x01"
_FIXED: Final = len(_MARK) + 8
SEPARATOR: Final = "\0"
_ERRORS: Final = "surrogatepass"
NUMBERS: Final = (
    *("num-tags", "score", "favorites", "date", "updated", "imported", "width", "height", "size"),
)  # fmt: skip

Late = Callable[["Segment", Any, int], int]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a table was made from, and where its sections are."""

    stage: str
    trees: tuple[str, str]
    """Ids of the git trees of the stage, with its lock, and of raw; '' where there is none."""
    num_rows: int
    base: str = ""
    """Of a table of changes: the name of the table that it changes."""
    order: str = sys.byteorder
    sections: dict[str, tuple[int, int, int]] = {}


class Damaged(Exception):  # noqa: N818 - it names the state of a file
    """The file is no table, or not as it was written."""


class Segment:
    """One table: rows sorted by key."""

    def __init__(self, head: Head, sections: Mapping[str, bytes] | memoryview, *, late: Late | None = None) -> None:
        self.head = head
        self.ask_late = late
        self._sections = sections
        self._kept: dict[str, Any] = {}

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return self.head.num_rows

    @property
    def name(self) -> str:
        """Of this content."""
        return f"{zlib.crc32(msgspec.json.encode(self.head)):08x}"

    def section(self, name: str) -> memoryview:
        """The bytes of a section, checked once.

        Raises:
            Damaged: they are not as they were written.
        """
        if not isinstance(self._sections, memoryview):
            return memoryview(self._sections.get(name, b""))
        found: memoryview | None = self._kept.get(name)
        if found is None:
            start, length, check = self.head.sections.get(name, (0, 0, 0))
            found = self._kept[name] = self._sections[start : start + length]
            if len(found) != length or zlib.crc32(found) != check:
                raise Damaged(name)
        return found

    def texts(self, name: str) -> list[str]:
        """A section of texts."""
        found: list[str] | None = self._kept.get(f"texts:{name}")
        if found is None:
            data = bytes(self.section(name))
            found = data.decode("utf-8", _ERRORS).split(SEPARATOR)
            found.pop()
            self._kept[f"texts:{name}"] = found
        return found

    def array(self, name: str, code: str) -> Sequence[Any]:
        """A section of numbers."""
        numbers: Sequence[Any] = self.section(name).cast(code)  # type: ignore[call-overload]
        return numbers

    @property
    def keys(self) -> list[str]:
        """The items."""
        return self.texts("keys")

    def row(self, key: str) -> int | None:
        """The row of an item."""
        at = bisect_left(self.keys, key)
        return at if at < len(self.keys) and self.keys[at] == key else None

    def blob(self, name: str, row: int) -> bytes | None:
        """Id of the blob of a row's `image` or `caption`."""
        found = bytes(self.section(f"blob:{name}")[20 * row : 20 * row + 20])
        return found if any(found) else None

    def values(self, word: str) -> list[str]:
        """The values that occur of a word, sorted, each once."""
        return self.texts(f"values:{word}")

    def counts(self, word: str) -> Sequence[int]:
        """Number of rows with each of `values`."""
        return self.array(f"counts:{word}", "I")

    def having(self, word: str, values: Iterable[str]) -> int:
        """Rows with any of these values."""
        known = self.values(word)
        found, many = 0, bytearray()
        for value in values:
            at = bisect_left(known, value)
            if at == len(known) or known[at] != value:
                continue
            rows = self._rows(word, at)
            if isinstance(rows, int):
                found |= rows
            else:
                many = many or bytearray(self.num_rows + 7 >> 3)
                for row in rows:
                    many[row >> 3] |= 1 << (row & 7)
        return found | int.from_bytes(many, "little")

    def _rows(self, word: str, at: int) -> int | Sequence[int]:
        """Rows with one value: their numbers, or a bit for each."""
        ends = self.array(f"ends:{word}", "Q")
        data = self.section(f"rows:{word}")[ends[at - 1] if at else 0 : ends[at]]
        if is_dense(self.counts(word)[at], self.num_rows):
            return int.from_bytes(data, "little")
        return data.cast("I")

    def count_within(self, word: str, within: int) -> dict[str, int]:
        """Value → number of rows with it among some rows, where it is not zero."""
        signs = bin(within)[:1:-1].ljust(self.num_rows, "0")
        found: dict[str, int] = {}
        for at, value in enumerate(self.values(word)):
            rows = self._rows(word, at)
            number = (rows & within).bit_count() if isinstance(rows, int) else sum(signs[row] == "1" for row in rows)
            if number:
                found[value] = number
        return found

    def column(self, word: str) -> list[str]:
        """The text of a word in each row."""
        if word == "item":
            return self.keys
        if word == "name":
            return [stem_of(key) for key in self.keys]
        return self.texts(f"column:{word}")

    def numbers(self, word: str) -> Sequence[float]:
        """The number of a word in each row; not a number where it is not known."""
        if word not in ("mp", "ratio"):
            return self.array(f"number:{word}", "d")
        pairs = zip(self.numbers("width"), self.numbers("height"), strict=True)
        if word == "mp":
            return [width * height / 1e6 for width, height in pairs]
        return [width / height if height else math.nan for width, height in pairs]

    def late(self, node: Any, within: int) -> int:
        """Of the rows `within`, those that a costly word finds."""
        if self.ask_late is None:
            raise TypeError("nobody to ask")
        return self.ask_late(self, node, within)


class Part(NamedTuple):
    """A table, and those of its rows that count."""

    segment: Segment
    alive: int

    def without(self, keys: Iterable[str]) -> Part:
        """The same table with fewer rows."""
        rows = (row for key in keys if (row := self.segment.row(key)) is not None)
        return Part(self.segment, self.alive & ~bits_at(rows, self.segment.num_rows))

    def has(self, row: int) -> bool:
        """Whether a row counts."""
        return bool(self.alive >> row & 1)

    def captioned(self) -> Iterable[str]:
        """Keys of the items with a caption."""
        return keys_in(self.segment, self.segment.having("has", ("caption",)) & self.alive)


def whole(segment: Segment) -> Part:
    """A table of which every row counts."""
    return Part(segment, (1 << segment.num_rows) - 1)


def keys_in(segment: Segment, bits: int) -> Iterable[str]:
    """The items of some rows."""
    return compress(segment.keys, map("1".__eq__, bin(bits)[:1:-1])) if bits else ()


def is_dense(count: int, num_rows: int) -> bool:
    """Whether a bit for each row is shorter than the numbers of `count` rows."""
    return count * 4 >= num_rows + 7 >> 3


def pack_values(rows_of: Mapping[str, array[int]], num_rows: int) -> dict[str, bytes]:
    """The three sections of a word, without their word: value → its rows, ascending."""
    names = sorted(rows_of)
    parts = [_packed(rows_of[name], num_rows) for name in names]
    return {
        "values": pack_texts(names),
        "counts": array("I", [len(rows_of[name]) for name in names]).tobytes(),
        "ends": array("Q", accumulate(map(len, parts))).tobytes(),
        "rows": b"".join(parts),
    }


def _packed(rows: array[int], num_rows: int) -> bytes:
    if not is_dense(len(rows), num_rows):
        return rows.tobytes()
    data = bytearray(num_rows + 7 >> 3)
    for row in rows:
        data[row >> 3] |= 1 << (row & 7)
    return bytes(data)


def pack_texts(texts: Iterable[str]) -> bytes:
    """A section of texts, a NUL behind each."""
    return "".join([text.replace(SEPARATOR, " ") + SEPARATOR for text in texts]).encode("utf-8", _ERRORS)


def read_segment(path: Path) -> Segment | None:
    """The table in a file; None where there is none, or it is not one that this program wrote here."""
    try:
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):
        return None
    length, check = (int.from_bytes(data[at : at + 4], "little") for at in (len(_MARK), len(_MARK) + 4))
    text = data[_FIXED : _FIXED + length]
    if bytes(data[: len(_MARK)]) != _MARK or len(text) != length or zlib.crc32(text) != check:
        return None
    try:
        head = msgspec.json.decode(text, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Segment(head, data) if head.order == sys.byteorder else None


def write_segment(path: Path, head: Head, sections: Mapping[str, bytes]) -> None:
    """Write a table; where the disk refuses, there is none, which costs only time."""
    places: dict[str, tuple[int, int, int]] = {}
    start = 0
    for name, data in sections.items():
        start += -start % 8
        places[name] = (start, len(data), zlib.crc32(data))
        start += len(data)
    text, first = _head_text(head, places)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(_MARK + len(text).to_bytes(4, "little") + zlib.crc32(text).to_bytes(4, "little") + text)
            for name, data in sections.items():
                file.write(bytes(first + places[name][0] - file.tell()))
                file.write(data)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _head_text(head: Head, places: Mapping[str, tuple[int, int, int]]) -> tuple[bytes, int]:
    """The head with places from the file's beginning, and where the first section begins."""
    first = 0
    while True:
        moved = {name: (first + start, length, check) for name, (start, length, check) in places.items()}
        text = msgspec.json.encode(msgspec.structs.replace(head, sections=moved))
        begin = _FIXED + len(text) + -(_FIXED + len(text)) % 8
        if begin == first:
            return text, first
        first = begin
