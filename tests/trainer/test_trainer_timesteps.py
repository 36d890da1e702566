"""Which times are drawn how often, against distributions worked out with the standard library."""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.contracts.objective import NoisePath
from trainer.errors import ConfigError
from trainer.registry import OBJECTIVES
from trainer.sections import TimestepsConfig
from trainer.timesteps import TimeRule, draw

EVENLY = (torch.arange(50_000, dtype=torch.float64) + 0.5) / 50_000
KINDS = {"plain": ("epsilon", False), "zero": ("v_prediction", True), "straight": ("rectified_flow", True)}


def path_of(kind: str) -> NoisePath:
    name, zero = KINDS[kind]
    return OBJECTIVES.load(name, field="objective.name").path(zero)


def times_of(rule: TimeRule, kind: str, uniform: torch.Tensor = EVENLY, ratio: float = 1.0) -> np.ndarray:
    made = draw(uniform, rule, path=path_of(kind), area_ratio=torch.full_like(uniform, ratio))
    assert made.dtype == torch.float64
    return made.numpy()


def test_the_rule_is_the_section_of_the_config() -> None:
    assert asdict(TimeRule()) == msgspec.structs.asdict(TimestepsConfig())


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"timesteps\.min 500 is not below timesteps\.max 500"):
        TimeRule(min=500, max=500)


def test_uniform_draws_every_timestep_alike() -> None:
    counts = np.bincount(times_of(TimeRule(), "plain").astype(int), minlength=1000)
    assert (counts == 50).all()
    np.testing.assert_allclose(times_of(TimeRule(), "straight"), EVENLY.numpy() * 1000, rtol=1e-12)


def test_a_range_draws_its_own_timesteps_alike() -> None:
    counts = np.bincount(times_of(TimeRule(min=200, max=700), "plain").astype(int), minlength=1000)
    assert (counts[200:700] == 100).all()
    assert counts.sum() == 50_000


@pytest.mark.parametrize("kind", KINDS)
@given(
    uniform=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=6),
    distribution=st.sampled_from(["uniform", "logit_normal", "edm"]),
    numbers=st.tuples(st.floats(-4, 4), st.floats(0.05, 4), st.floats(0.1, 10), st.floats(0.1, 8)),
    ends=st.tuples(st.integers(0, 999), st.integers(1, 1000)).filter(lambda ends: ends[0] < ends[1]),
)
def test_times_stay_in_their_range_and_rise_with_the_uniform_number(
    kind: str, uniform: list[float], distribution: Any, numbers: tuple[float, ...], ends: tuple[int, int]
) -> None:
    mean, std, shift, ratio = numbers
    rule = TimeRule(distribution, mean, std, shift, shift_by_resolution=True, min=ends[0], max=ends[1])
    found = times_of(rule, kind, torch.tensor(sorted(uniform), dtype=torch.float64), ratio)
    assert np.isfinite(found).all()
    assert (found >= ends[0]).all()
    assert (found < ends[1]).all()
    assert (np.diff(found) >= -1e-9).all()
    assert torch.isfinite(path_of(kind).snr(torch.from_numpy(found))).all()
    if kind != "straight":
        assert (found == np.round(found)).all()


def shifted(level: float, shift: float) -> float:
    return shift * level / (1 + (shift - 1) * level)


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-0.6, 0.5), (1.2, 1.4)])
def test_logit_normal_and_shift(mean: float, std: float, shift: float) -> None:
    uniform = EVENLY[::500]
    rule = TimeRule("logit_normal", mean, std, shift)
    normals = [NormalDist(mean, std).inv_cdf(value) for value in uniform.tolist()]
    expected = [1000 * shifted(1 / (1 + math.exp(-value)), shift) for value in normals]
    np.testing.assert_allclose(times_of(rule, "straight", uniform), expected, rtol=1e-9)
    np.testing.assert_array_equal(times_of(rule, "plain", uniform), np.floor(expected))


def test_shift_by_resolution_follows_the_root_of_the_area() -> None:
    by_area = times_of(TimeRule(shift=2.0, shift_by_resolution=True), "straight", ratio=2.25)
    np.testing.assert_allclose(by_area, times_of(TimeRule(shift=3.0), "straight"), rtol=1e-12)
    np.testing.assert_allclose(by_area, [1000 * shifted(u, 3.0) for u in EVENLY.tolist()], rtol=1e-9)
    fixed = times_of(TimeRule(shift=2.0), "straight", ratio=2.25)
    np.testing.assert_allclose(fixed, [1000 * shifted(u, 2.0) for u in EVENLY.tolist()], rtol=1e-9)


@pytest.mark.parametrize("distribution", ["uniform", "logit_normal", "edm"])
def test_shift_multiplies_sigma_on_the_straight_path(distribution: Any) -> None:
    plain, moved = (times_of(TimeRule(distribution, -0.5, 0.8, shift), "straight") for shift in (1.0, 3.0))
    np.testing.assert_allclose(moved / (1000 - moved), 3 * plain / (1000 - plain), rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("distribution", ["uniform", "logit_normal", "edm"])
def test_a_range_keeps_the_proportions_inside_it(kind: str, distribution: Any) -> None:
    whole, part = (
        times_of(TimeRule(distribution, -0.4, 1.1, 1.7, **ends), kind) for ends in ({}, {"min": 300, "max": 800})
    )
    inside = whole[(whole >= 300) & (whole < 800)]
    edges = np.arange(350, 751, 100)
    counts = [np.histogram(times, edges)[0] / ((times >= 350) & (times < 750)).sum() for times in (inside, part)]
    np.testing.assert_allclose(counts[1], counts[0], atol=2e-3)


@pytest.mark.parametrize("kind", ["plain", "zero"])
def test_edm_draws_log_normal_sigmas(kind: str) -> None:
    path = path_of(kind)
    alpha, sigma = path.coefficients(torch.arange(999, dtype=torch.float64))
    known = (sigma / alpha).log().numpy()
    found = times_of(TimeRule("edm", -1.2, 1.2), kind).astype(int)
    # Each time's share is that of the normal distribution nearer to it than to its neighbours.
    counts = np.bincount(found, minlength=1000) / len(found)
    between = (known[1:] + known[:-1]) / 2
    last = float((path.coefficients(torch.tensor([999.0]))[1] / path.coefficients(torch.tensor([999.0]))[0]).log())
    normal = NormalDist(-1.2, 1.2)
    left, right = normal.cdf(known[0]), normal.cdf(last)
    shares = [(normal.cdf(b) - normal.cdf(a)) / (right - left) for a, b in pairwise(between)]
    np.testing.assert_allclose(counts[1:998], shares, atol=5e-5)
    if kind == "zero":
        assert counts[999] == 0


def test_edm_on_the_straight_path_is_exact() -> None:
    uniform = EVENLY[100:-100:500]
    expected = [NormalDist(-1.2, 1.2).inv_cdf(value) for value in uniform.tolist()]
    found = times_of(TimeRule("edm", -1.2, 1.2), "straight", uniform) / 1000
    np.testing.assert_allclose(np.log(found / (1 - found)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("distribution", ["uniform", "logit_normal", "edm"])
@pytest.mark.parametrize("kind", ["plain", "zero"])
@pytest.mark.parametrize("only", [0, 500, 999])
def test_one_timestep_alone(distribution: Any, kind: str, only: int) -> None:
    assert set(times_of(TimeRule(distribution, min=only, max=only + 1), kind, EVENLY[::100])) == {only}
