"""Means, shares and their intervals, in plain float64.

Student's t for means over seeds, Wilson's score interval for shares of counted things, Newcombe's for the difference
of two. The quantile of t is found by bisection of its distribution, which is a regularized incomplete beta function,
worked out by the continued fraction of Abramowitz and Stegun 26.5.8 with Lentz's method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist, fmean, stdev

from datakit.actions.bakes.measured import wilson

_TINY = 1e-300
_MOST_TERMS = 500
_HALVINGS = 200


@dataclass(frozen=True)
class Interval:
    """A middle and what lies around it; infinite ends where there is too little to say."""

    middle: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside of it."""
        return self.low > 0 or self.high < 0


def of_mean(values: Sequence[float], *, level: float = 0.95) -> Interval:
    """Student's t interval of the mean; of one value, everything. Raises ValueError where there is none."""
    if not values:
        raise ValueError("no values, so no mean")
    middle = fmean(values)
    if len(values) == 1:
        return Interval(middle, -math.inf, math.inf)
    half = t_quantile(0.5 + level / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Interval(middle, middle - half, middle + half)


def of_difference(ours: Sequence[float], theirs: Sequence[float], *, level: float = 0.95) -> Interval:
    """Of the mean of ours - theirs, pair by pair: the same seed in both. Raises ValueError where they do not pair."""
    return of_mean([one - other for one, other in zip(ours, theirs, strict=True)], level=level)


def of_shares(ours: tuple[int, int], theirs: tuple[int, int], *, level: float = 0.95) -> Interval:
    """Of the difference of two shares, each (hits, total): Newcombe 1998, Statistics in Medicine 17, method 10."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    (one, one_low, one_high), (two, two_low, two_high) = (
        (hits / total, *wilson(hits, total, z=z)) for hits, total in (ours, theirs)
    )
    below = math.hypot(one - one_low, two_high - two)
    above = math.hypot(one_high - one, two - two_low)
    return Interval(one - two, one - two - below, one - two + above)


def of_share(hits: int, total: int) -> Interval:
    """Wilson's 95 % interval of a share. Raises ValueError where nothing was counted."""
    if not 0 <= hits <= total or not total:
        raise ValueError(f"{hits} of {total} is no share")
    return Interval(hits / total, *wilson(hits, total))


@cache
def t_quantile(share: float, freedom: int) -> float:
    """Below which `share` of Student's t with `freedom` degrees of freedom lies."""
    if not 0.0 < share < 1.0 or freedom < 1:
        raise ValueError(f"no quantile {share} of t with {freedom} degrees of freedom")
    if share < 0.5:
        return -t_quantile(1.0 - share, freedom)
    low, high = 0.0, 1.0
    while t_share(high, freedom) < share:
        low, high = high, high * 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if t_share(middle, freedom) < share else (low, middle)
        if high - low <= 1e-15 * high:
            break
    return (low + high) / 2


def t_share(value: float, freedom: int) -> float:
    """How much of Student's t with `freedom` degrees of freedom lies below `value`."""
    tail = 0.5 * _beta_share(freedom / 2, 0.5, at=freedom / (freedom + value * value))
    return 1.0 - tail if value >= 0 else tail


def _beta_share(a: float, b: float, *, at: float) -> float:
    """The regularized incomplete beta function I_at(a, b)."""
    if at <= 0.0 or at >= 1.0:
        return 0.0 if at <= 0.0 else 1.0
    front = a * math.log(at) + b * math.log1p(-at) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    if at < (a + 1) / (a + b + 2):
        return math.exp(front) * _fraction(a, b, at=at) / a
    return 1.0 - math.exp(front) * _fraction(b, a, at=1.0 - at) / b


def _fraction(a: float, b: float, *, at: float) -> float:
    c, d = 1.0, 1.0 / _apart(1.0 - (a + b) * at / (a + 1))
    found = d
    for m in range(1, _MOST_TERMS):
        for term in (
            m * (b - m) * at / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * at / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1.0 / _apart(1.0 + term * d), _apart(1.0 + term / c)
            found *= d * c
        if abs(d * c - 1.0) < 1e-16:
            break
    return found


def _apart(value: float) -> float:
    """Never 0, since it is divided by."""
    return value if abs(value) > _TINY else _TINY
