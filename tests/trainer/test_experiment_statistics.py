"""The experiments' statistics against closed forms and published tables."""

from __future__ import annotations

import math
from statistics import NormalDist, fmean, stdev

import pytest
from experiments import intervals, verdicts
from experiments.contract import Comparison
from experiments.intervals import Interval
from hypothesis import given
from hypothesis import strategies as some

TABLE = {
    (0.975, 1): 12.7062047364,
    (0.975, 2): 4.3026527297,
    (0.975, 4): 2.7764451052,
    (0.975, 9): 2.2621571627,
    (0.975, 30): 2.0422724563,
    (0.995, 2): 9.9248432009,
    (0.995, 5): 4.0321429836,
    (0.95, 10): 1.8124611228,
}
"""Two-sided Student's t, as printed in tables (NIST/SEMATECH e-Handbook 1.3.6.7.2, with more digits)."""


@pytest.mark.parametrize(("share", "freedom"), TABLE)
def test_t_quantiles_are_those_of_tables(share: float, freedom: int) -> None:
    assert intervals.t_quantile(share, freedom) == pytest.approx(TABLE[share, freedom], rel=1e-9)


@given(some.floats(0.501, 0.9999))
def test_t_with_one_and_two_degrees_has_a_closed_form(share: float) -> None:
    angle = math.pi * (share - 0.5)
    assert intervals.t_quantile(share, 1) == pytest.approx(math.tan(angle), rel=1e-9)
    two = (2 * share - 1) / math.sqrt(2 * share * (1 - share))
    assert intervals.t_quantile(share, 2) == pytest.approx(two, rel=1e-9)


def test_t_of_many_degrees_is_normal() -> None:
    # Its first correction is z (z^2 + 1) / (4 n): Abramowitz and Stegun 26.7.5.
    z = NormalDist().inv_cdf(0.975)
    expected = z + z * (z * z + 1) / (4 * 100_000)
    assert intervals.t_quantile(0.975, 100_000) == pytest.approx(expected, rel=1e-8)


@given(some.floats(0.001, 0.999), some.integers(1, 60))
def test_quantile_and_share_undo_each_other(share: float, freedom: int) -> None:
    assert intervals.t_share(intervals.t_quantile(share, freedom), freedom) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize(("share", "freedom"), [(0.0, 3), (1.0, 3), (0.5, 0)])
def test_impossible_quantiles_are_refused(share: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        intervals.t_quantile(share, freedom)


@pytest.mark.parametrize(
    ("ours", "theirs", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_differences_of_shares_are_those_that_newcombe_printed(
    ours: tuple[int, int], theirs: tuple[int, int], low: float, high: float
) -> None:
    found = intervals.of_shares(ours, theirs)
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


def test_the_mean_of_three() -> None:
    found = intervals.of_mean([0.5, 0.75, 1.0])
    half = 4.3026527297 * 0.25 / math.sqrt(3)
    assert found.middle == 0.75
    assert found.low == pytest.approx(0.75 - half)
    assert found.high == pytest.approx(0.75 + half)


def test_one_value_says_nothing_of_the_spread() -> None:
    assert intervals.of_mean([0.3]) == Interval(0.3, -math.inf, math.inf)
    with pytest.raises(ValueError, match="no values"):
        intervals.of_mean([])


@given(some.lists(some.floats(-10, 10), min_size=2, max_size=9))
def test_the_mean_is_in_the_middle_and_more_certainty_is_wider(values: list[float]) -> None:
    narrow, wide = intervals.of_mean(values), intervals.of_mean(values, level=0.99)
    assert narrow.middle == fmean(values)
    assert wide.low <= narrow.low <= narrow.middle <= narrow.high <= wide.high
    assert narrow.high - narrow.middle == pytest.approx(
        intervals.t_quantile(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values)), abs=1e-9
    )


def test_pairs_take_out_what_seeds_have_in_common() -> None:
    found = intervals.of_difference([0.9, 0.5, 0.1], [0.8, 0.4, 0.0])
    assert found.middle == pytest.approx(0.1)
    assert found.low == pytest.approx(found.high)
    with pytest.raises(ValueError, match="shorter"):
        intervals.of_difference([1.0, 2.0], [1.0])


# Newcombe 1998 (Statistics in Medicine 17, 857-872), table I, method 3.
@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_shares_have_wilsons_interval(hits: int, total: int, low: float, high: float) -> None:
    found = intervals.of_share(hits, total)
    assert found.middle == hits / total
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)


@given(some.integers(1, 400).flatmap(lambda total: some.tuples(some.integers(0, total), some.just(total))))
def test_wilsons_ends_solve_the_equation_that_defines_them(counted: tuple[int, int]) -> None:
    hits, total = counted
    found = intervals.of_share(hits, total)
    assert 0.0 <= found.low <= found.middle <= found.high <= 1.0
    z = NormalDist().inv_cdf(0.975)
    for end in {found.low, found.high} - {0.0, 1.0}:
        assert abs(hits / total - end) == pytest.approx(z * math.sqrt(end * (1 - end) / total), abs=1e-9)


@pytest.mark.parametrize(("hits", "total"), [(-1, 3), (4, 3), (0, 0)])
def test_what_is_no_share_is_refused(hits: int, total: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        intervals.of_share(hits, total)


# Interval of a difference, side that the claim takes, smallest that matters: verdict.
CASES = [
    ((0.5, 0.2, 0.8), 1, 0.1, verdicts.CONFIRMED),
    ((-0.5, -0.8, -0.2), 1, 0.1, verdicts.OPPOSITE),
    ((-0.5, -0.8, -0.2), -1, 0.1, verdicts.CONFIRMED),
    ((-0.5, -0.8, -0.2), 0, 0.1, verdicts.DIFFERS),
    ((0.5, -0.1, 1.1), 1, 0.1, verdicts.UNDECIDED),
    ((0.05, 0.04, 0.06), 1, 0.1, verdicts.ALIKE),
    ((0.05, 0.01, 0.2), 1, 0.1, verdicts.UNDECIDED),
    ((0.0, 0.0, 0.0), 1, 0.1, verdicts.ALIKE),
    ((0.01, -0.05, 0.07), -1, 0.1, verdicts.ALIKE),
]


@pytest.mark.parametrize(("ends", "expected", "smallest", "word"), CASES)
def test_verdicts_follow_the_rule(ends: tuple[float, float, float], expected: int, smallest: float, word: str) -> None:
    comparison = Comparison("m", "a", "b", expected, smallest)  # type: ignore[arg-type]
    assert verdicts.word_of(Interval(*ends), comparison) == word
