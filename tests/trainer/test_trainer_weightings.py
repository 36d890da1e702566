"""Weights against float64 tables written from the formulas, at all 1,000 timesteps, and with SNR 0."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.contracts.objective import Weighting
from trainer.registry import OBJECTIVES, WEIGHTINGS
from trainer.weightings._floor import LOWEST_SNR
from trainer.weightings._v_pred_like import v_pred_like

BETAS = np.linspace(np.sqrt(0.00085), np.sqrt(0.012), 1000, dtype=np.float64) ** 2
PLAIN = np.sqrt(np.cumprod(1 - BETAS))
RESCALED = (PLAIN - PLAIN[-1]) * PLAIN[0] / (PLAIN[0] - PLAIN[-1])
SNR = {zero: roots**2 / (1 - roots**2) for zero, roots in ((False, PLAIN), (True, RESCALED))}
LOWEST = SNR[False][-1]
ALL_TIMES = torch.arange(1000, dtype=torch.float64)

FORMULAS: dict[tuple[str, str], Callable[[np.ndarray, float], np.ndarray]] = {
    ("none", "epsilon"): lambda snr, gamma: np.ones_like(snr),
    ("none", "v"): lambda snr, gamma: np.ones_like(snr),
    ("none", "flow"): lambda snr, gamma: np.ones_like(snr),
    ("min_snr", "epsilon"): lambda snr, gamma: np.minimum(snr, gamma) / snr,
    ("min_snr", "v"): lambda snr, gamma: np.minimum(snr, gamma) / (snr + 1),
    ("min_snr", "flow"): lambda snr, gamma: np.minimum(snr, gamma) / (1 + np.sqrt(snr)) ** 2,
    ("soft_min_snr", "epsilon"): lambda snr, gamma: gamma / (snr + gamma),
    ("soft_min_snr", "v"): lambda snr, gamma: 1 / (1 / snr + 1 / gamma) / (snr + 1),
    ("soft_min_snr", "flow"): lambda snr, gamma: 1 / (1 / snr + 1 / gamma) / (1 + np.sqrt(snr)) ** 2,
    ("debiased", "epsilon"): lambda snr, gamma: 1 / np.sqrt(np.minimum(snr, 1000)),
    ("debiased", "v"): lambda snr, gamma: 1 / (np.minimum(snr, 1000) + 1),
    ("scale_v", "v"): lambda snr, gamma: np.minimum(snr, 1000) / (np.minimum(snr, 1000) + 1),
}


def load(name: str) -> Weighting:
    return WEIGHTINGS.load(name, field="objective.weighting")


def test_every_weighting_has_its_formulas_here() -> None:
    assert set(FORMULAS) == {(name, kind) for name in WEIGHTINGS.names() for kind in load(name).prediction_types}
    assert all(load(name).name == name for name in WEIGHTINGS.names())


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("gamma", [1.0, 5.0, 20.0])
@pytest.mark.parametrize(("name", "kind"), FORMULAS)
def test_weights_at_all_timesteps(name: str, kind: str, gamma: float, zero: bool) -> None:
    snr = OBJECTIVES.load("v_prediction", field="").path(zero).snr(ALL_TIMES)
    found = load(name).weight(snr, prediction_type=kind, gamma=gamma)
    expected = FORMULAS[name, kind](np.maximum(SNR[zero], LOWEST), gamma)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)
    assert (found > 0).all()
    if not zero:
        np.testing.assert_allclose(found.numpy(), FORMULAS[name, kind](SNR[False], gamma), rtol=1e-9)


@pytest.mark.parametrize(("name", "kind"), FORMULAS)
def test_pure_noise_weighs_as_the_noisiest_step_without_the_rescale(name: str, kind: str) -> None:
    weight, path = load(name).weight, OBJECTIVES.load("v_prediction", field="").path
    terminal = torch.tensor([999.0])
    found = weight(path(True).snr(terminal), prediction_type=kind, gamma=5.0)
    expected = weight(path(False).snr(terminal), prediction_type=kind, gamma=5.0)
    torch.testing.assert_close(found, expected)


def test_the_floor_is_the_lowest_snr_of_the_schedule() -> None:
    assert pytest.approx(LOWEST, rel=1e-12) == LOWEST_SNR
    assert int((SNR[True] < LOWEST).sum()) == 120


def test_known_values() -> None:
    # min-SNR for v with gamma 5 at times 0 to 999, as printed by sd-scripts' own functions.
    times = [0, 100, 300, 500, 700, 900, 990, 999]
    snr = OBJECTIVES.load("v_prediction", field="").path(False).snr(torch.tensor(times))
    found = load("min_snr").weight(snr, prediction_type="v", gamma=5.0).tolist()
    assert found == pytest.approx([0.00425, 0.529, 0.590, 0.276, 0.0825, 0.0142, 0.0052, 0.00466], rel=5e-3)


@given(
    case=st.sampled_from(sorted(FORMULAS)),
    snr=st.lists(st.one_of(st.floats(0, 1e9), st.sampled_from([0.0, np.inf])), min_size=1, max_size=8),
    gamma=st.floats(0.01, 100),
)
def test_weights_are_finite_and_above_zero(case: tuple[str, str], snr: list[float], gamma: float) -> None:
    found = load(case[0]).weight(torch.tensor(snr, dtype=torch.float64), prediction_type=case[1], gamma=gamma)
    assert found.shape == (len(snr),)
    assert torch.isfinite(found).all()
    assert (found > 0).all()


@pytest.mark.parametrize("name", ["min_snr", "soft_min_snr"])
@pytest.mark.parametrize("objective", ["epsilon", "v_prediction", "rectified_flow"])
def test_every_objective_gives_the_error_of_the_picture_the_same_weight(name: str, objective: str) -> None:
    made = OBJECTIVES.load(objective, field="")
    path = made.path(False)
    times = path.at_level(torch.linspace(0.01, 0.92, 50, dtype=torch.float64))
    alpha, sigma = (part[:, None, None, None] for part in path.coefficients(times))
    output, noisy = torch.zeros(50, 1, 1, 1, dtype=torch.float64, requires_grad=True), torch.ones(50, 1, 1, 1)
    made.split(output, noisy, alpha=alpha, sigma=sigma)[0].sum().backward()
    assert output.grad is not None
    slope = output.grad.flatten().numpy()
    snr = path.snr(times)
    found = load(name).weight(snr, prediction_type=made.prediction_type, gamma=5.0).numpy()
    known = np.asarray(snr)
    wanted = np.minimum(known, 5.0) if name == "min_snr" else known * 5.0 / (known + 5.0)
    np.testing.assert_allclose(found, wanted * slope**2, rtol=1e-9)


def test_v_pred_like_loss_adds_that_of_v() -> None:
    snr = torch.from_numpy(SNR[False])
    # An error d of eps is one of d / alpha of v, alpha^2 = abar.
    expected = 0.3 / np.minimum(PLAIN**2, 1000 / 1001)
    np.testing.assert_allclose(v_pred_like(snr, strength=0.3).numpy(), expected, rtol=1e-9)
    assert torch.isfinite(v_pred_like(torch.zeros(1), strength=1.0)).all()
