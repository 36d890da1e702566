"""Search for 64-bit hashes that differ in few bits, and groups around those that are worth most.

Multi-index hashing: of hashes that differ in at most d bits, at least one of d + 1 disjoint sets of bits is equal
(Norouzi, Punjani and Fleet 2012, "Fast Search in Hamming Space with Multi-Index Hashing"); or of half as many larger
sets one differs in at most one bit. The sets are dealt out by how much each bit tells, so that hashes that have much in
common do not all meet in one bucket; where they would all the same, all are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]

APART: Final = 0
NEAR: Final = 1
"""The second image of a pair belongs to the group of the first."""
KIN: Final = 2
"""The two belong together, and yet each stands for itself."""
Judge = Callable[[Numbers, Numbers], Codes]
"""(numbers, numbers of images worth less) → APART, NEAR or KIN for each pair."""

_BITS: Final = 64
_MOST_BITS: Final = 16
"""Of a set: all values have a place in a table."""
_FAR: Final = 5
"""Distance from which on a set may differ in one bit, for there would be too many small ones otherwise."""
_CELLS: Final = 1 << 16
"""Pairs that are compared at once: few enough to stay in the processor's cache."""
_ROW: Final = 1 << 12
_DEARER: Final = 3
"""What a pair costs that is looked up, in pairs that lie side by side."""
_FIRST_BLOCK: Final = 256
_LARGEST_BLOCK: Final = 8192
_CROWDED: Final = 8
"""Pairs for each image of a block from which on the next block is smaller."""
_SEED: Final = 7


class View(NamedTuple):
    """One kind of hash of every image."""

    own: Hashes
    asked: tuple[Hashes, ...]
    """What others are compared with: the same, and those of the mirrored image."""
    distance: int


class Stars(NamedTuple):
    """Images in groups, by their numbers."""

    keeper: Numbers
    """Of each image, the one that stands for it: itself, or one worth more that is NEAR to it."""
    kin: Numbers
    """Of each image, the keeper worth most that it is KIN to; -1 where there is none."""


def distances(left: Hashes, right: Hashes) -> Numbers:
    """How many bits differ, pair by pair."""
    found: Numbers = np.bitwise_count(left ^ right).astype(np.int64)
    return found


def near_pairs(hashes: Hashes, distance: int) -> Numbers:
    """Every pair of hashes that differ in at most `distance` bits: [pairs, 2], smaller number first, sorted.

    All of them are in memory at once; where many hashes are equal, that is the square of their number.
    """
    found = [np.empty((0, 2), np.int64)]
    for left, right in Index(hashes, distance).near(hashes):
        once = left < right
        found.append(np.stack((left[once], right[once]), axis=1))
    pairs: Numbers = np.concatenate(found)
    in_order: Numbers = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return in_order


class _Part(NamedTuple):
    """Some bits of every hash, and where each of their values occurs."""

    bits: list[int]
    radius: int
    """In how many of them a hash may differ: 0 or 1."""
    values: Numbers
    """Of each hash."""
    order: Numbers
    """The hashes sorted by them."""
    starts: Numbers
    """Value → its first place in `order`; one more entry at the end."""


class Index:
    """Hashes, to be searched for those near to others."""

    def __init__(self, hashes: Hashes, distance: int) -> None:
        self._hashes = hashes
        self._distance = distance
        self._parts = [_part(hashes, bits, radius) for bits, radius in _deal(hashes, distance)]

    def near(self, asked: Hashes) -> Iterator[tuple[Numbers, Numbers]]:
        """(numbers among `asked`, numbers in the index) of all pairs within the distance, each once, in pieces."""
        if not len(asked) or not len(self._hashes) or self._distance < 0:
            return
        values = [_gather(asked, part.bits) for part in self._parts]
        probes = [
            (number, values[number] ^ mask)
            for number, part in enumerate(self._parts)
            for mask in (0, *(1 << bit for bit in range(len(part.bits) * part.radius)))
        ]
        cells = sum(int(self._widths(number, wanted).sum()) for number, wanted in probes)
        if cells * _DEARER > len(asked) * len(self._hashes):
            yield from self._compare_all(asked)
            return
        for number, wanted in probes:
            for left, right in self._probe(asked, number, wanted):
                again = np.zeros(len(left), bool)
                for part, before in zip(self._parts[:number], values, strict=False):
                    again |= np.bitwise_count(before[left] ^ part.values[right]) <= part.radius
                yield left[~again], right[~again]

    def _widths(self, number: int, wanted: Numbers) -> Numbers:
        starts = self._parts[number].starts
        widths: Numbers = starts[wanted + 1] - starts[wanted]
        return widths

    def _probe(self, asked: Hashes, number: int, wanted: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
        """Pairs within the distance among those whose part has the wanted value."""
        part, widths = self._parts[number], self._widths(number, wanted)
        ends = np.cumsum(widths)
        at = 0
        while at < len(asked):
            done = int(ends[at - 1]) if at else 0
            end = max(at + 1, int(np.searchsorted(ends, done + _CELLS)))
            sizes = widths[at:end]
            firsts = part.starts[wanted[at:end]] - np.cumsum(sizes) + sizes
            right = part.order[np.repeat(firsts, sizes) + np.arange(int(sizes.sum()))]
            near = np.bitwise_count(np.repeat(asked[at:end], sizes) ^ self._hashes[right]) <= self._distance
            if near.any():
                yield np.repeat(np.arange(at, end), sizes)[near], right[near]
            at = end

    def _compare_all(self, asked: Hashes) -> Iterator[tuple[Numbers, Numbers]]:
        for begin in range(0, len(self._hashes), _ROW):
            piece = self._hashes[begin : begin + _ROW]
            step = max(1, _CELLS // len(piece))
            for at in range(0, len(asked), step):
                near = np.bitwise_count(asked[at : at + step, None] ^ piece) <= self._distance
                if near.any():
                    rows, columns = np.nonzero(near)
                    yield rows + at, columns + begin


def stars(num_images: int, views: Sequence[View], judge: Judge) -> Stars:
    """Groups around keepers; the images are numbered by their worth, the one worth most first.

    An image that is NEAR to no keeper worth more is a keeper itself, so no group is a chain: each member is near to its
    keeper. Candidates are the pairs that are within the distance of any view. Takes time for the keepers, not for the
    members: many images that look the same cost little.
    """
    keeper = np.arange(num_images)
    kin = np.full(num_images, num_images)
    left, size = np.arange(num_images), _FIRST_BLOCK
    while len(left):
        block, rest = left[:size], left[size:]
        pairs, codes = _pairs_within(block, views, judge)
        kept = _settle(pairs, codes, block, (keeper, kin))
        for first, second in _candidates(kept, rest, views):
            verdicts = judge(first, second)
            for code, goal in ((NEAR, keeper), (KIN, kin)):
                hits = verdicts == code
                np.minimum.at(goal, second[hits], first[hits])
        left = rest[keeper[rest] == rest]
        size = max(_FIRST_BLOCK, size // 2) if len(pairs) > _CROWDED * len(block) else min(size * 2, _LARGEST_BLOCK)
    return Stars(keeper, np.where((kin == num_images) | (keeper != np.arange(num_images)), -1, kin))


def _candidates(first: Numbers, second: Numbers, views: Sequence[View]) -> Iterator[tuple[Numbers, Numbers]]:
    """Pairs of one of `first` with one of `second`, some of them twice."""
    for view in views:
        index = Index(view.own[second], view.distance)
        for asked in view.asked:
            for left, right in index.near(asked[first]):
                if len(left):
                    yield first[left], second[right]


def _pairs_within(block: Numbers, views: Sequence[View], judge: Judge) -> tuple[Numbers, Codes]:
    """The pairs [n, 2] of a block that are not APART, sorted, each once; and what they are."""
    span = int(block[-1]) + 1
    found = [np.empty(0, np.int64)]
    for first, second in _candidates(block, block, views):
        low, high = np.minimum(first, second), np.maximum(first, second)
        found.append((low * span + high)[low != high])
    names = np.unique(np.concatenate(found))
    pairs = np.stack((names // span, names % span), axis=1)
    codes = judge(pairs[:, 0], pairs[:, 1])
    return pairs[codes != APART], codes[codes != APART]


def _settle(pairs: Numbers, codes: Codes, block: Numbers, goals: tuple[Numbers, Numbers]) -> Numbers:
    """Decide a block, the image worth most first, and write it into `goals`: keeper and kin. Its keepers."""
    keeper, kin = goals
    firsts, starts = np.unique(pairs[:, 0], return_index=True)
    ends = np.append(starts, len(pairs))[1:]
    for first, start, end in zip(firsts.tolist(), starts.tolist(), ends.tolist(), strict=True):
        if keeper[first] != first:
            continue
        for code, goal in ((NEAR, keeper), (KIN, kin)):
            seconds = pairs[start:end, 1][codes[start:end] == code]
            goal[seconds] = np.minimum(goal[seconds], first)
    kept: Numbers = block[keeper[block] == block]
    return kept


def _deal(hashes: Hashes, distance: int) -> list[tuple[list[int], int]]:
    """Sets of bits with their radius, the telling bits dealt out evenly.

    Hashes within the distance differ, in at least one set, in no more bits than its radius: the radii plus one add up
    to more than the distance.
    """
    radius = int(distance >= _FAR)
    num_parts = max(1, -(-(distance + 1) // (radius + 1)))
    shares = np.array([np.count_nonzero(hashes >> np.uint64(bit) & np.uint64(1)) for bit in range(_BITS)])
    balance = np.abs(shares / max(1, len(hashes)) - 0.5)
    # Neighbouring bits tell much the same; without the shuffle equally balanced ones would be dealt out in their order.
    shuffled = np.random.default_rng(_SEED).permutation(_BITS)
    ranked = shuffled[np.argsort(balance[shuffled], kind="stable")]
    sets = [ranked[part::num_parts][:_MOST_BITS].tolist() for part in range(num_parts)]
    last = distance - (radius + 1) * (num_parts - 1)
    return [(bits, last if part == num_parts - 1 else radius) for part, bits in enumerate(sets)]


def _part(hashes: Hashes, bits: list[int], radius: int) -> _Part:
    values = _gather(hashes, bits)
    starts = np.concatenate(([0], np.cumsum(np.bincount(values, minlength=1 << len(bits)))))
    return _Part(bits, radius, values, np.argsort(values, kind="stable"), starts)


def _gather(hashes: Hashes, bits: Sequence[int]) -> Numbers:
    """Some bits of each hash, as a number."""
    found = np.zeros(len(hashes), np.int64)
    for place, bit in enumerate(bits):
        found |= (hashes >> np.uint64(bit) & np.uint64(1)).astype(np.int64) << place
    return found
