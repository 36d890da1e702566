"""What a query finds in a table of items: sets of rows as integers, whose bit n stands for row n."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from datakit.tags.query.parsing import And, Between, Compare, Flag, Match, Near, Node, Not, Or, Pattern, fits, regex_of
from datakit.tags.query.words import NONE, WORDS, Bounds, bounds

COLUMNS: Final = frozenset({"caption", "item", "name", "id", "md5", "parent"})
"""Words whose values are looked at row by row; the other words with patterns have an index of their values."""
LATE: Final = frozenset({"tokens", "in"})
"""Words that cost more than a look at the table, as does `has:conflict`."""


class Rows(Protocol):
    """A table of items."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""

    def values(self, word: str) -> Sequence[str]:
        """The values that occur of a word, sorted, each once."""

    def having(self, word: str, values: Iterable[str]) -> int:
        """Rows with any of these values."""

    def column(self, word: str) -> Sequence[str]:
        """The text of a word in each row."""

    def numbers(self, word: str) -> Sequence[float]:
        """The number of a word in each row; not a number where it is not known."""

    def late(self, node: Match | Compare | Between | Near, within: int) -> int:
        """Of the rows `within`, those that a costly word finds."""


def evaluate(node: Node, rows: Rows, within: int) -> int:
    """Of the rows `within`, those that the query finds."""
    if not within:
        return 0
    if isinstance(node, And):
        for part in sorted(node.parts, key=_cost):
            within = evaluate(part, rows, within)
        return within
    if isinstance(node, Or):
        found = 0
        for part in sorted(node.parts, key=_cost):
            found |= evaluate(part, rows, within & ~found)
        return found
    if isinstance(node, Not):
        return within & ~evaluate(node.part, rows, within)
    if is_late(node):
        return rows.late(node, within) & within  # type: ignore[arg-type]
    return _simple(node, rows, within) & within


def is_late(node: Node) -> bool:
    """Whether it is a word that asks for more than the table holds."""
    if isinstance(node, Match):
        is_conflict = node.word == "has" and any(pattern.text == "conflict" for pattern in node.patterns)
        return is_conflict or node.word in LATE
    return isinstance(node, Near) or (isinstance(node, Compare | Between) and node.word in LATE)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for part in node.parts if isinstance(node, And | Or) else (node.part,) if isinstance(node, Not) else ():
        yield from walk(part)


def _cost(node: Node) -> int:
    """Cheap words come first, so that costly ones have fewer rows to look at."""
    if isinstance(node, And | Or):
        return max(map(_cost, node.parts), default=0)
    if isinstance(node, Not):
        return _cost(node.part)
    if is_late(node):
        return 5 if isinstance(node, Near) else 4
    if isinstance(node, Compare | Between):
        return 1
    return (3 if node.word == "caption" else 2) if isinstance(node, Match) and node.word in COLUMNS else 0


def _simple(node: Node, rows: Rows, within: int) -> int:
    if isinstance(node, Flag):
        return within & ~rows.having("has-tag", ("yes",))
    if isinstance(node, Match):
        if node.word in COLUMNS:
            return _in_column(node, rows, within)
        found = 0
        for pattern in node.patterns:
            found |= _with_pattern(node.word, pattern, rows, within)
        return found
    if isinstance(node, Compare | Between):
        test = interval(node)
        numbers, (low, high) = rows.numbers(node.word), test[0]
        return bits_of((low <= value <= high for value in numbers), is_inverted=test[1], known=numbers)
    raise TypeError(f"{type(node).__name__} is no simple word")


def _with_pattern(word: str, pattern: Pattern, rows: Rows, within: int) -> int:
    if WORDS[word].kind == "tag" and word != "tag" and pattern.kind == "is" and pattern.text == NONE:
        return within & ~rows.having(word, rows.values(word))
    if word == "concept":
        return rows.having(word, [name for name in rows.values(word) if _fits_folder(pattern, name)])
    if word == "format" and pattern.kind == "is":
        pattern = Pattern("is", normal_format(pattern.text))
    if pattern.kind == "is":
        return rows.having(word, (pattern.text,))
    return rows.having(word, [name for name in rows.values(word) if fits(pattern, name)])


def normal_format(name: str) -> str:
    """One name for the formats that have two."""
    name = name.lower()
    return {"jpg": "jpeg", "tif": "tiff"}.get(name, name)


def _fits_folder(pattern: Pattern, name: str) -> bool:
    """Whether a concept, or a folder around it, fits."""
    parts = name.split("/")
    return any(fits(pattern, "/".join(parts[:end])) for end in range(1, len(parts) + 1))


def _in_column(node: Match, rows: Rows, within: int) -> int:
    column, word = rows.column(node.word), node.word
    found = 0
    for pattern in node.patterns:
        if word == "caption":
            search = _caption_regex(pattern).search
        else:
            compiled = regex_of(pattern)
            search = compiled.search if pattern.kind == "regex" else compiled.fullmatch
        left = rows_of(within & ~found)
        if len(left) * 2 > len(column):
            found |= bits_of(search(text) is not None for text in column)
        else:
            found |= bits_at((row for row in left if search(column[row])), len(column))
    return found


def _caption_regex(pattern: Pattern) -> re.Pattern[str]:
    compiled = regex_of(pattern)
    return compiled if pattern.kind == "regex" else re.compile(compiled.pattern, re.IGNORECASE | re.DOTALL)


def interval(node: Compare | Between) -> tuple[Bounds, bool]:
    """First and last number that is meant, and whether all others are meant instead."""
    word = WORDS[node.word]
    if isinstance(node, Between):
        low = bounds(word, node.low) if node.low else None
        high = bounds(word, node.high) if node.high else None
        return (low[0] if low else -math.inf, high[1] if high else math.inf), False
    first, last = bounds(word, node.text) or (math.nan, math.nan)
    if node.operator in ("=", "!="):
        return (first, last), node.operator == "!="
    if node.operator in (">", ">="):
        return (first if node.operator == ">=" else math.nextafter(last, math.inf), math.inf), False
    return (-math.inf, last if node.operator == "<=" else math.nextafter(first, -math.inf)), False


def bits_of(flags: Iterable[bool], *, is_inverted: bool = False, known: Sequence[float] = ()) -> int:
    """Bit n is set where flag n is; inverted, where it is not and the number is known."""
    if is_inverted:
        flags = [not flag and number == number for flag, number in zip(flags, known, strict=True)]
    text = "".join(["1" if flag else "0" for flag in flags])
    return int(text[::-1], 2) if text else 0


def bits_at(rows: Iterable[int], num_rows: int) -> int:
    """The set with these rows."""
    data = bytearray(num_rows + 7 >> 3)
    for row in rows:
        data[row >> 3] |= 1 << (row & 7)
    return int.from_bytes(data, "little")


def rows_of(bits: int) -> list[int]:
    """The rows of a set, ascending."""
    return [row for row, sign in enumerate(bin(bits)[:1:-1]) if sign == "1"]
