"""Which file name another was meant to be: the nearest of many, and whether it is clear."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

SEPARATORS: Final = re.compile(r"[\s_.\-]+")
SERIALS: Final = re.compile(r"\d++(?:[^\W\d_](?![^\W\d_]))?|(?<![^_])[^\W\d_]{1,2}(?![^_])")
"""What tells files of one series apart: numbers (`12`, `12b`), and one or two letters between separators."""

CLEAR_LENGTH: Final = 8
"""In a shorter name one letter makes another word (`hana`, `hina`), not a slip."""
SMALL_GROUP: Final = 24
NEIGHBOURS: Final = 2
FARTHEST: Final = 3
"""More slips than this make no guess worth telling."""


class Guess(msgspec.Struct, frozen=True):
    """The names nearest to the one asked for, all at the same distance; none when nothing is similar."""

    names: tuple[str, ...] = ()
    distance: int = 0
    """Slips of the keyboard between them; case and separators do not count."""
    clear: bool = False
    """One name only, at most one slip away, and no number differs."""


def fold(name: str) -> str:
    """The name without what people vary freely: case, and which separator."""
    return SEPARATORS.sub("_", name.casefold())


def serials(folded: str) -> tuple[str, ...]:
    """The parts of a folded name that tell files of one series apart."""
    return tuple(SERIALS.findall(folded))


def distance(first: str, second: str, *, limit: int) -> int:
    """Letters added, left out, changed or swapped with the next; `limit + 1` when they are more than `limit`.

    Optimal string alignment (no letter is changed twice), in a band of 2 limit + 1 around the diagonal.
    """
    first, second = _differing(first, second)
    if abs(len(first) - len(second)) > limit:
        return limit + 1
    if not first or not second:
        return len(first) or len(second)
    beyond, width = limit + 1, len(second)
    before, last = [beyond] * (width + 1), list(range(width + 1))
    for i, letter in enumerate(first, 1):
        row = [beyond] * (width + 1)
        row[0] = least = i
        for j in range(max(1, i - limit), min(width, i + limit) + 1):
            here = last[j - 1] if letter == second[j - 1] else 1 + min(last[j - 1], last[j], row[j - 1])
            if i > 1 and j > 1 and letter == second[j - 2] and second[j - 1] == first[i - 2]:
                here = min(here, before[j - 2] + 1)
            row[j] = here
            if here < least:
                least = here
        if least > limit:
            return beyond
        before, last = last, row
    return min(last[-1], beyond)


def _differing(first: str, second: str) -> tuple[str, str]:
    """Both without what they begin and end with in common."""
    start, shorter = 0, min(len(first), len(second))
    while start < shorter and first[start] == second[start]:
        start += 1
    end = 0
    while end < shorter - start and first[-1 - end] == second[-1 - end]:
        end += 1
    return first[start : len(first) - end], second[start : len(second) - end]


class Names:
    """Names of one folder, prepared so that asking for the nearest takes no walk over all of them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._originals: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(set(names)):
            self._originals[fold(name)].append(name)
        self._forward = sorted(self._originals)
        self._backward = sorted(name[::-1] for name in self._originals)
        self._groups: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for name in self._forward:
            self._groups[serials(name)].append(name)
        self._slips: dict[tuple[str, ...], _Slips] = {}

    def nearest(self, name: str) -> Guess:
        """The names that are most like `name`, at most a quarter of its letters and FARTHEST slips away.

        At equal distance, those with the same serials. Every name with the same serials that is one slip away
        is found; others only when they begin or end alike.
        """
        folded = fold(name)
        if folded in self._originals:
            return self._guess(folded, [folded], away=0)
        numbers = serials(folded)
        kin = self._kin(folded, numbers)
        if slips := [name for name in kin if distance(folded, name, limit=1) == 1]:
            return self._guess(folded, slips, away=1)
        best, found = (max(1, min(len(folded) // 4, FARTHEST)), True), list[str]()
        for candidate in {*kin, *_around(self._forward, folded), *self._ending_like(folded)}:
            rank = (distance(folded, candidate, limit=best[0]), serials(candidate) != numbers)
            if rank < best:
                best, found = rank, []
            if rank == best:
                found.append(candidate)
        guess = self._guess(folded, found, away=best[0])
        return msgspec.structs.replace(guess, clear=False)

    def _guess(self, folded: str, found: list[str], *, away: int) -> Guess:
        names = tuple(sorted(original for name in found for original in self._originals[name]))
        long_enough = away == 0 or max(map(len, (folded, *found))) >= CLEAR_LENGTH
        return Guess(names, away if names else 0, len(names) == 1 and long_enough)

    def _kin(self, folded: str, numbers: tuple[str, ...]) -> Collection[str]:
        """Names with the same serials, among them all that are one slip away."""
        group = self._groups.get(numbers, [])
        if len(group) <= SMALL_GROUP:
            return group
        if numbers not in self._slips:
            self._slips[numbers] = _Slips(group)
        return self._slips[numbers].sharing(folded)

    def _ending_like(self, folded: str) -> list[str]:
        return [name[::-1] for name in _around(self._backward, folded[::-1])]


class _Slips:
    """Names by what is left of them without one letter: two are one slip apart only if they share such a form.

    The symmetric-delete index of SymSpell (wolfgarbe/SymSpell).
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._first: dict[str, str] = {}
        self._more: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            for form in _with_one_left_out(name):
                if self._first.setdefault(form, name) is not name:
                    self._more[form].append(name)

    def sharing(self, name: str) -> set[str]:
        """The names that have a form in common with this one."""
        forms = _with_one_left_out(name)
        found = {self._first[form] for form in forms if form in self._first}
        return found.union(*(self._more[form] for form in forms if form in self._more))


def _around(names: list[str], name: str) -> list[str]:
    """The names just before and after where `name` would stand in the sorted list."""
    place = bisect_left(names, name)
    return names[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]


def _with_one_left_out(name: str) -> set[str]:
    return {name, *(name[:i] + name[i + 1 :] for i in range(len(name)))}
