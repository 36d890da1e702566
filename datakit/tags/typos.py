"""Probable misspellings: known names within a few letters of an unknown one, found without comparing all pairs.

A name that differs from another by at most two letters shares with it, whole and about in its place, one of the three
parts that the other is cut into (the pigeonhole principle; Li, Deng, Wang, Feng: Pass-Join, 2011).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

MOST_EDITS: Final = 2
_PARTS: Final = MOST_EDITS + 1
_SHORT: Final = 4
"""Letters under which every name is near another."""
_LONG: Final = 9
"""Letters from which on two edits are a misspelling too."""
_NUMBERED: Final = 100
"""Names that differ in digits alone, such as `sample_0001`: from so many on, none of them is meant by another."""
_DIGITS: Final = re.compile("[0-9]+")


class Near(NamedTuple):
    """A known name that is like a given one."""

    name: str
    distance: int
    """Letters added, left out or exchanged; two neighbours that changed places count once."""


class NameIndex:
    """Known names, to be asked for those that are like another."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_part: dict[tuple[int, int, str], list[str]] = defaultdict(list)
        names = list(names)
        alike = Counter(map(_without_digits, names))
        for name in names:
            if len(name) >= _SHORT and alike[_without_digits(name)] <= _NUMBERED:
                for number, (start, end) in enumerate(_cuts(len(name))):
                    self._by_part[len(name), number, name[start:end]].append(name)

    def near(self, name: str) -> list[Near]:
        """Known names that `name` may be a misspelling of, the nearest first; not those that differ in digits alone."""
        limit = allowed_edits(len(name))
        if not limit:
            return []
        bare = _without_digits(name)
        found = []
        for other in self._candidates(name, limit):
            if other != name and _without_digits(other) != bare:
                distance = edit_distance(name, other, most=limit)
                if distance <= limit:
                    found.append(Near(other, distance))
        return sorted(found, key=lambda one: (one.distance, one.name))

    def _candidates(self, name: str, limit: int) -> list[str]:
        """Names that share a part, and all but a few letters."""
        found: set[str] = set()
        for length in range(max(_SHORT, len(name) - MOST_EDITS), len(name) + MOST_EDITS + 1):
            for number, (start, end) in enumerate(_cuts(length)):
                for at in _shifts(start, number, len(name) - length):
                    found.update(self._by_part.get((length, number, name[at : at + end - start]), ()))
        letters = letters_of(name)
        return [other for other in found if (letters_of(other) ^ letters).bit_count() <= 2 * limit]


@lru_cache(maxsize=1 << 18)
def _without_digits(name: str) -> str:
    return _DIGITS.sub("", name)


@lru_cache(maxsize=1 << 18)
def letters_of(name: str) -> int:
    """The letters that occur, as a set of bits; an edit changes two of them at most."""
    found = 0
    for letter in name:
        found |= 1 << (ord(letter) & 63)
    return found


def _shifts(start: int, number: int, longer: int) -> range:
    """Where a part can stand that is whole: behind `number` edits at most, and before the rest of them."""
    after = MOST_EDITS - number
    return range(max(0, start - number, start + longer - after), min(start + number, start + longer + after) + 1)


def _cuts(length: int) -> Iterator[tuple[int, int]]:
    """Where the parts of a name of this length begin and end."""
    for number in range(_PARTS):
        yield length * number // _PARTS, length * (number + 1) // _PARTS


def allowed_edits(length: int) -> int:
    """How many letters of a name of this length may be wrong."""
    return 0 if length < _SHORT else 1 if length < _LONG else MOST_EDITS


def edit_distance(left: str, right: str, *, most: int) -> int:
    """Edits that make one of the other, neighbours that change places being one; `most` + 1 where it is more."""
    if abs(len(left) - len(right)) > most:
        return most + 1
    left, right = _differing(left, right)
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, letter in enumerate(left, 1):
        above, before, row = before, row, [i]
        for j, other in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == right[j - 2] and left[i - 2] == other:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
        if min(row) > most and min(before) > most:
            return most + 1
    return min(row[-1], most + 1)


def _differing(left: str, right: str) -> tuple[str, str]:
    """Both without what they begin and end with alike."""
    shorter = min(len(left), len(right))
    start = next((at for at in range(shorter) if left[at] != right[at]), shorter)
    rest = shorter - start
    end = next((at for at in range(rest) if left[-1 - at] != right[-1 - at]), rest)
    return left[start : len(left) - end], right[start : len(right) - end]


class Typo(msgspec.Struct, frozen=True):
    """A tag that may be a misspelling."""

    tag: str
    count: int
    meant: str
    meant_count: int
    distance: int


def find_typos(tags: Mapping[str, int], known: Mapping[str, int], *, times: int) -> list[Typo]:
    """Tags (with their counts) that are near a name `times` as frequent; of several names the nearest, then commonest.

    Sorted by how often the tag occurs, the rarest last.
    """
    index = NameIndex(known)
    found = []
    for tag, count in tags.items():
        near = [one for one in index.near(tag) if known[one.name] >= times * count]
        if near:
            best = min(near, key=lambda one: (one.distance, -known[one.name], one.name))
            found.append(Typo(tag, count, best.name, known[best.name], best.distance))
    return sorted(found, key=lambda one: (-one.count, one.tag))
