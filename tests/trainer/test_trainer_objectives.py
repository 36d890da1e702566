"""Noise paths and objectives against restatements in float64 numpy, at all 1,000 timesteps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.contracts.objective import NoisePath, Objective
from trainer.errors import ConfigError
from trainer.registry import OBJECTIVES

BETAS = np.linspace(np.sqrt(0.00085), np.sqrt(0.012), 1000, dtype=np.float64) ** 2
PLAIN = np.sqrt(np.cumprod(1 - BETAS))
# Lin et al. 2023, algorithm 1.
RESCALED = (PLAIN - PLAIN[-1]) * PLAIN[0] / (PLAIN[0] - PLAIN[-1])
ROOTS = {False: PLAIN, True: RESCALED}
ALL_TIMES = torch.arange(1000, dtype=torch.float64)
KINDS = [("epsilon", False), ("v_prediction", False), ("v_prediction", True), ("rectified_flow", True)]


def load(name: str) -> Objective:
    return OBJECTIVES.load(name, field="objective.name")


def path_of(kind: tuple[str, bool]) -> NoisePath:
    return load(kind[0]).path(kind[1])


def wide(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float64))[:, None, None, None]


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    clean, noise = torch.randn(2, 1000, 4, 2, 2, generator=generator, dtype=torch.float64)
    return clean, noise


@pytest.mark.parametrize("zero", [False, True])
def test_coefficients_and_snr_at_all_times(zero: bool) -> None:
    path = load("v_prediction").path(zero)
    alpha, sigma = path.coefficients(ALL_TIMES)
    assert path.zero_terminal_snr == zero
    np.testing.assert_allclose(alpha.numpy(), ROOTS[zero], rtol=1e-12, atol=0)
    np.testing.assert_allclose(sigma.numpy(), np.sqrt(1 - ROOTS[zero] ** 2), rtol=1e-12)
    np.testing.assert_allclose(path.snr(ALL_TIMES).numpy(), ROOTS[zero] ** 2 / (1 - ROOTS[zero] ** 2), rtol=1e-9)


def test_known_values() -> None:
    # The familiar ends of Stable Diffusion's schedule: sigma/alpha 0.0292 and 14.6146.
    alpha, sigma = load("epsilon").path(False).coefficients(torch.tensor([0, 999, -1]))
    np.testing.assert_allclose((sigma / alpha).numpy(), [0.0292, 14.6146, 0.0], atol=5e-5)


def test_zero_terminal_snr_ends_in_pure_noise_and_begins_as_before() -> None:
    plain, zero = (load("v_prediction").path(each) for each in (False, True))
    ends = torch.tensor([0.0, 999.0])
    alpha, sigma = zero.coefficients(ends)
    assert (alpha[1].item(), sigma[1].item(), zero.snr(ends)[1].item()) == (0.0, 1.0, 0.0)
    assert alpha[0].item() == pytest.approx(plain.coefficients(ends)[0][0].item(), rel=1e-14)


def test_epsilon_with_zero_terminal_snr_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"objective\.zero_terminal_snr"):
        load("epsilon").path(True)


@pytest.mark.parametrize("zero", [False, True])
def test_targets_at_all_times(zero: bool) -> None:
    clean, noise = pair()
    alpha, sigma = wide(ROOTS[zero]), wide(np.sqrt(1 - ROOTS[zero] ** 2))
    assert torch.equal(load("epsilon").target(clean, noise, alpha=alpha, sigma=sigma), noise)
    velocity = load("v_prediction").target(clean, noise, alpha=alpha, sigma=sigma)
    torch.testing.assert_close(velocity, alpha * noise - sigma * clean)
    if zero:
        assert torch.equal(velocity[-1], -clean[-1])
    assert torch.equal(load("rectified_flow").target(clean, noise, alpha=alpha, sigma=sigma), noise - clean)


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_answer_gives_picture_and_noise_back_at_all_times(kind: tuple[str, bool]) -> None:
    objective = load(kind[0])
    clean, noise = pair()
    alpha, sigma = (part[:, None, None, None] for part in path_of(kind).coefficients(ALL_TIMES))
    answer = objective.target(clean, noise, alpha=alpha, sigma=sigma)
    found = objective.split(answer, alpha * clean + sigma * noise, alpha=alpha, sigma=sigma)
    torch.testing.assert_close(found[0], clean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found[1], noise, rtol=1e-9, atol=1e-9)


numbers = st.lists(st.floats(-50, 50), min_size=8, max_size=8)


@given(kind=st.sampled_from(KINDS), level=st.floats(0, 1, exclude_max=True), clean=numbers, noise=numbers)
def test_split_undoes_target(kind: tuple[str, bool], level: float, clean: list[float], noise: list[float]) -> None:
    objective, path = load(kind[0]), path_of(kind)
    x0, eps = (torch.tensor(values, dtype=torch.float64).reshape(1, 2, 2, 2) for values in (clean, noise))
    times = path.at_level(torch.tensor([level]))
    alpha, sigma = (part[:, None, None, None] for part in path.coefficients(times))
    answer = objective.target(x0, eps, alpha=alpha, sigma=sigma)
    found = objective.split(answer, alpha * x0 + sigma * eps, alpha=alpha, sigma=sigma)
    torch.testing.assert_close(found[0], x0, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found[1], eps, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_clean_time_is_clean(kind: tuple[str, bool]) -> None:
    path = path_of(kind)
    clean = torch.tensor([path.clean_time], dtype=torch.float64)
    alpha, sigma = path.coefficients(clean)
    assert (alpha.item(), sigma.item(), path.snr(clean).item()) == (1.0, 0.0, np.inf)


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_its_words_are_those_of_modelspec(name: str) -> None:
    objective = load(name)
    assert objective.name == name
    assert objective.prediction_type in {"epsilon", "v", "flow"}


def test_levels_are_thousandths_of_the_discrete_path() -> None:
    path = load("epsilon").path(False)
    middles = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    counts = torch.bincount(path.at_level(middles).long(), minlength=1000)
    assert counts.min() == counts.max() == 10
    assert path.at_level(torch.tensor([0.0, 1.0])).tolist() == [0, 999]


@pytest.mark.parametrize("zero", [False, True])
def test_sigmas_find_the_nearest_time(zero: bool) -> None:
    path = load("v_prediction").path(zero)
    ratios = np.sqrt(1 - ROOTS[zero] ** 2)[: 999 if zero else 1000] / ROOTS[zero][: 999 if zero else 1000]
    sigmas = np.exp(np.random.default_rng(1).uniform(-6, 9, 3000))
    nearest = np.abs(np.log(sigmas)[:, None] - np.log(ratios)[None]).argmin(axis=1)
    np.testing.assert_array_equal(path.at_sigma(torch.from_numpy(sigmas)).numpy(), nearest)
    np.testing.assert_array_equal(path.at_sigma(torch.from_numpy(ratios)).numpy(), np.arange(len(ratios)))


def test_the_straight_path_is_straight() -> None:
    path = load("rectified_flow").path(False)
    times = torch.tensor([1.0, 250.0, 999.5, 1000.0], dtype=torch.float64)
    alpha, sigma = path.coefficients(times)
    assert sigma.tolist() == pytest.approx([0.001, 0.25, 0.9995, 1.0])
    assert alpha.tolist() == pytest.approx([0.999, 0.75, 0.0005, 0.0])
    assert path.snr(times).tolist() == pytest.approx([999.0**2, 9.0, (0.0005 / 0.9995) ** 2, 0.0])
    assert path.at_level(sigma).tolist() == pytest.approx(times.tolist())
    assert path.at_sigma(sigma[:3] / alpha[:3]).tolist() == pytest.approx(times[:3].tolist())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num", [1, 2, 20, 50, 1000])
def test_sampling_starts_at_the_last_time_and_descends(kind: tuple[str, bool], num: int) -> None:
    path = path_of(kind)
    times = path.sampling_times(num)
    assert len(times) == num
    assert times[0] == (1000 if kind[0] == "rectified_flow" else 999)
    assert (times.diff() < 0).all()
    assert times.min() > path.clean_time
