"""Nearest names: the distance against its definition, the search against asking every name."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.lint.facts.names import CLEAR_LENGTH, Names, distance, fold, serials

words = st.text("ab1_", max_size=9)


def defined(first: str, second: str) -> int:
    """Optimal string alignment, word for word."""

    @cache
    def upto(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        same = first[i - 1] == second[j - 1]
        best = min(upto(i - 1, j) + 1, upto(i, j - 1) + 1, upto(i - 1, j - 1) + (not same))
        if i > 1 and j > 1 and first[i - 2 : i] == second[j - 2 : j][::-1]:
            best = min(best, upto(i - 2, j - 2) + 1)
        return best

    return upto(len(first), len(second))


@given(words, words, st.integers(0, 5))
def test_distance_is_exact_up_to_its_limit(first: str, second: str, limit: int) -> None:
    assert distance(first, second, limit=limit) == min(defined(first, second), limit + 1)


@given(st.lists(st.text("abc1", min_size=6, max_size=10), max_size=60), st.text("abc1", min_size=7, max_size=10))
def test_clear_means_the_only_one_within_a_slip(names: list[str], name: str) -> None:
    guess = Names(names).nearest(name)
    same = [other for other in {*names} if serials(other) == serials(name)]
    near = [other for other in same if distance(name, other, limit=1) <= 1]
    long_enough = [other for other in near if max(len(other), len(name)) >= CLEAR_LENGTH]
    expected = name in names or (len(near) == 1 and long_enough == near)
    assert guess.clear == expected
    if expected:
        assert guess.names == ((name,) if name in names else tuple(near))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("image123", ("123",)),
        ("page_12b", ("12b",)),
        ("12abc", ("12",)),
        ("aria_a_3", ("a", "3")),
        ("fullmetal", ()),
        ("1girl_x", ("1", "x")),
    ],
)
def test_serials(name: str, expected: tuple[str, ...]) -> None:
    assert serials(name) == expected


def test_fold_ignores_case_and_kind_of_separator() -> None:
    assert fold("A-b  c.D__e") == "a_b_c_d_e"


def test_names_that_fold_alike_are_all_named_and_none_is_clear() -> None:
    guess = Names(["a b", "a_b"]).nearest("a-b")
    assert (guess.names, guess.clear) == (("a b", "a_b"), False)


def test_a_large_group_of_one_series_is_searched_as_well_as_a_small_one() -> None:
    names = [f"{first}{second}{first}{second}x{second}{first}z" for first in "abcdefgh" for second in "klmnopqr"]
    assert len(names) > 24
    for name in names:
        guess = Names(names).nearest(name[:4] + name[5:])
        assert (guess.names, guess.clear) == ((name,), True)


@pytest.mark.parametrize("shape", ["image{:05d}", "{:032x}", "aria_{:05d}_danbooru_{:05d}"])
def test_the_search_compares_with_few_names_however_many_there_are(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counted(first: str, second: str, *, limit: int) -> int:
        asked.append((first, second))
        return distance(first, second, limit=limit)

    monkeypatch.setattr("datakit.lint.facts.names.distance", counted)
    known = Names(shape.format(number * 7919, number) for number in range(20_000))
    for number in range(0, 20_000, 100):
        known.nearest(shape.format(number * 7919, number)[1:])
    assert len(asked) <= 200 * 40
