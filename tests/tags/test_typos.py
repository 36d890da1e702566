"""Misspellings: the index finds what a comparison of all pairs finds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.tags.typos import MOST_EDITS, NameIndex, Typo, allowed_edits, edit_distance, find_typos

DANBOORU = Path(__file__).parents[3] / "shared" / "data" / "danbooru.csv"
NAMES = st.text(alphabet="abc_1", min_size=1, max_size=12)


def levenshtein(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for i, letter in enumerate(left, 1):
        above, row = row, [i]
        for j, other in enumerate(right, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (letter != other)))
    return row[-1]


@given(st.sets(NAMES, max_size=12), NAMES)
def test_the_index_finds_what_all_pairs_find(names: set[str], name: str) -> None:
    found = {one.name: one.distance for one in NameIndex(names).near(name)}
    for other in names:
        distance = levenshtein(name, other)
        is_digits = name.replace("1", "") == other.replace("1", "")
        if len(other) >= 4 and not is_digits and distance <= allowed_edits(len(name)):
            assert found[other] <= distance
    assert all(distance <= allowed_edits(len(name)) for distance in found.values())
    assert name not in found


def with_swaps(left: str, right: str) -> int:
    """Optimal string alignment, by its definition."""
    table = {(i, 0): i for i in range(len(left) + 1)} | {(0, j): j for j in range(len(right) + 1)}
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            change = table[i - 1, j - 1] + (left[i - 1] != right[j - 1])
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, change)
            if i > 1 and j > 1 and left[i - 1] == right[j - 2] and left[i - 2] == right[j - 1]:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(left), len(right)]


@given(NAMES, NAMES)
def test_the_distance_is_that_of_edits_with_swaps(left: str, right: str) -> None:
    distance = edit_distance(left, right, most=20)
    assert distance == with_swaps(left, right)
    assert distance == edit_distance(right, left, most=20) <= levenshtein(left, right)
    assert (distance == 0) == (left == right)
    assert edit_distance(left, right, most=1) == min(distance, 2)


@pytest.mark.parametrize(("left", "right", "distance"), [("smile", "simle", 1), ("abcd", "acbd", 1), ("abc", "ca", 3)])
def test_neighbours_that_changed_places_are_one_edit(left: str, right: str, distance: int) -> None:
    assert edit_distance(left, right, most=9) == distance


def test_typos_are_told_with_what_is_meant() -> None:
    known = {"long_hair": 900, "lone_hair": 5, "blue_eyes": 800, "1girl": 700, "hat": 50}
    tags = {"lonng_hair": 3, "bleu_eyes": 4, "2girl": 9, "hta": 1, "other": 8}
    assert find_typos(tags, known, times=0) == [
        Typo("bleu_eyes", 4, "blue_eyes", 800, 1),
        Typo("lonng_hair", 3, "long_hair", 900, 1),
    ]


def test_without_a_vocabulary_the_frequent_name_is_meant() -> None:
    counts = {"looking_at_viewer": 300, "looking_at_veiwer": 4, "looking_at_viewers": 200}
    found = find_typos(counts, counts, times=10)
    assert [(one.tag, one.meant) for one in found] == [("looking_at_veiwer", "looking_at_viewer")]


def test_against_all_names_of_danbooru() -> None:
    if not DANBOORU.exists():
        pytest.skip("danbooru.csv is not here")
    names = [line.split(",")[0] for line in DANBOORU.read_text("utf-8").splitlines() if not line.startswith('"')]
    start = time.perf_counter()
    known = dict.fromkeys(names, 100)
    wrong = {name[:4] + name[5:]: 1 for name in names[:500] if len(name) > 8}
    found = {one.tag: one for one in find_typos({tag: 1 for tag in wrong if tag not in known}, known, times=0)}
    assert time.perf_counter() - start < 30
    assert len(found) == len([tag for tag in wrong if tag not in known])
    assert all(one.distance <= MOST_EDITS for one in found.values())
