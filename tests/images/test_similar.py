"""The search finds what comparing all pairs finds; groups are stars around what is worth most."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.images.similar import APART, KIN, NEAR, Codes, Hashes, Index, Numbers, View, distances, near_pairs, stars

U64 = st.integers(0, 2**64 - 1)
FEW_BITS = st.sets(st.integers(0, 63), max_size=6).map(lambda bits: sum(1 << bit for bit in bits))
"""Hashes near to zero: many are near to each other."""
HASHES = st.lists(st.one_of(U64, FEW_BITS), max_size=60).map(lambda numbers: np.array(numbers, np.uint64))


def brute(hashes: Hashes, distance: int) -> list[list[int]]:
    numbers = hashes.tolist()
    return [
        [i, j]
        for i in range(len(numbers))
        for j in range(i + 1, len(numbers))
        if (numbers[i] ^ numbers[j]).bit_count() <= distance
    ]


@given(HASHES, st.integers(0, 64))
def test_pairs_are_those_of_brute_force(hashes: Hashes, distance: int) -> None:
    assert near_pairs(hashes, distance).tolist() == brute(hashes, distance)


@given(st.integers(0, 12), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_pairs_of_many_hashes_are_those_of_brute_force(distance: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    hashes = draw.integers(0, 2**64, 40, np.uint64)[draw.integers(0, 40, 400)]
    for _ in range(6):
        hashes = hashes ^ np.uint64(1) << draw.integers(0, 64, 400, np.uint64)
    assert near_pairs(hashes, distance).tolist() == brute(hashes, distance)


@given(HASHES, HASHES, st.integers(0, 20))
def test_an_index_is_asked_for_others(own: Hashes, asked: Hashes, distance: int) -> None:
    found = [pair for left, right in Index(own, distance).near(asked) for pair in zip(left, right, strict=True)]
    expected = {
        (i, j)
        for i, one in enumerate(asked.tolist())
        for j, other in enumerate(own.tolist())
        if (one ^ other).bit_count() <= distance
    }
    assert len(found) == len(set(found))
    assert set(found) == expected


@given(HASHES, st.integers(0, 10))
def test_groups_are_stars(hashes: Hashes, distance: int) -> None:
    def judge(first: Numbers, second: Numbers) -> Codes:
        return np.where(distances(hashes[first], hashes[second]) <= distance, NEAR, APART).astype(np.int8)

    found = stars(len(hashes), [View(hashes, (hashes,), distance)], judge).keeper.tolist()
    keepers: list[int] = []
    for number, one in enumerate(hashes.tolist()):  # the definition, in order of worth
        near = [keeper for keeper in keepers if (int(hashes[keeper]) ^ one).bit_count() <= distance]
        assert found[number] == (near[0] if near else number)
        keepers += [] if near else [number]


def test_kin_stand_for_themselves() -> None:
    hashes = np.array([0, 1, 1, 2**63], np.uint64)

    def judge(first: Numbers, second: Numbers) -> Codes:
        near = distances(hashes[first], hashes[second])
        return np.where(near == 0, NEAR, np.where(near <= 2, KIN, APART)).astype(np.int8)

    found = stars(4, [View(hashes, (hashes,), 2)], judge)
    assert found.keeper.tolist() == [0, 1, 1, 3]
    assert found.kin.tolist() == [-1, 0, -1, 0]


def test_many_equal_hashes_take_no_quadratic_time() -> None:
    hashes = np.zeros(50_000, np.uint64)

    def judge(first: Numbers, second: Numbers) -> Codes:
        return np.full(len(first), NEAR, np.int8)

    began = time.process_time()
    found = stars(len(hashes), [View(hashes, (hashes,), 8)], judge)
    assert not found.keeper.any()
    assert time.process_time() - began < 5
