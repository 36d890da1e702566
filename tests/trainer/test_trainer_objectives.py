"""Objectives against a restatement in float64 numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.contracts import Objective
from trainer.registry import OBJECTIVES

BETAS = np.linspace(np.sqrt(0.00085), np.sqrt(0.012), 1000, dtype=np.float64) ** 2
ALPHA_BARS = np.cumprod(1 - BETAS)
ALL_TIMES = torch.arange(1000)


@pytest.fixture(params=OBJECTIVES.names())
def objective(request: pytest.FixtureRequest) -> Objective:
    return OBJECTIVES.load(request.param, field="objective.name")


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    clean, noise = torch.randn(2, 1000, 4, 2, 2, generator=generator, dtype=torch.float64)
    return clean, noise


def noisy(objective: Objective, clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    alpha, sigma = (part[:, None, None, None] for part in objective.coefficients(ALL_TIMES))
    return alpha * clean + sigma * noise


def test_coefficients_at_all_times() -> None:
    alpha, sigma = OBJECTIVES.load("epsilon", field="").coefficients(ALL_TIMES)
    np.testing.assert_allclose(alpha.numpy(), np.sqrt(ALPHA_BARS), rtol=1e-12)
    np.testing.assert_allclose(sigma.numpy(), np.sqrt(1 - ALPHA_BARS), rtol=1e-12)


def test_known_values() -> None:
    # The familiar ends of Stable Diffusion's schedule: sigma/alpha 0.0292 and 14.6146.
    alpha, sigma = OBJECTIVES.load("epsilon", field="").coefficients(torch.tensor([0, 999, -1]))
    np.testing.assert_allclose((sigma / alpha).numpy(), [0.0292, 14.6146, 0.0], atol=5e-5)


def test_epsilon_is_the_noise_at_weight_one() -> None:
    objective = OBJECTIVES.load("epsilon", field="")
    clean, noise = pair()
    assert torch.equal(objective.target(clean, noise, times=ALL_TIMES), noise)
    assert torch.equal(objective.weight(ALL_TIMES), torch.ones(1000, dtype=torch.float64))


def test_a_perfect_answer_gives_picture_and_noise_back(objective: Objective) -> None:
    clean, noise = pair()
    answer = objective.target(clean, noise, times=ALL_TIMES)
    found_clean, found_noise = objective.split(answer, noisy(objective, clean, noise), times=ALL_TIMES)
    torch.testing.assert_close(found_clean, clean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found_noise, noise, rtol=1e-9, atol=1e-9)


def test_weights_are_finite_and_no_time_is_left_out(objective: Objective) -> None:
    weights = objective.weight(ALL_TIMES)
    assert torch.isfinite(weights).all()
    assert (weights > 0).all()


def test_times_are_drawn_evenly(objective: Objective) -> None:
    uniform = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    counts = torch.bincount(objective.draw_times(uniform), minlength=1000)
    assert counts.min() == counts.max() == 100


@pytest.mark.parametrize("num", [1, 2, 20, 50, 1000])
def test_sampling_starts_at_the_last_time_and_descends(objective: Objective, num: int) -> None:
    times = objective.sampling_times(num)
    assert len(times) == num
    assert times[0] == 999
    assert (times.diff() < 0).all()
    assert times.min() >= 0
