"""Losses against restatements in float64 numpy, at all 1,000 timesteps."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from trainer.contracts.objective import NoisePath
from trainer.losses import LossRule, huber_bend, per_picture
from trainer.registry import OBJECTIVES
from trainer.sections import LossConfig

TIMES = torch.arange(1000, dtype=torch.float64)
BETAS = np.linspace(np.sqrt(0.00085), np.sqrt(0.012), 1000, dtype=np.float64) ** 2
PLAIN = np.sqrt(np.cumprod(1 - BETAS))
RESCALED = (PLAIN - PLAIN[-1]) * PLAIN[0] / (PLAIN[0] - PLAIN[-1])
OUTPUT, TARGET = torch.randn(2, 1000, 4, 3, 5, generator=torch.Generator().manual_seed(2))
MASK = torch.rand(1000, 1, 3, 5, generator=torch.Generator().manual_seed(3))


def path_of(zero: bool) -> NoisePath:
    return OBJECTIVES.load("v_prediction", field="objective.name").path(zero)


def bends(rule: LossRule, zero: bool) -> np.ndarray:
    c, times = rule.huber_c, np.arange(1000, dtype=np.float64)
    if rule.huber_schedule == "constant":
        return np.full(1000, c * rule.huber_scale)
    if rule.huber_schedule == "exponential":
        return np.exp(np.log(c) * times / 1000) * rule.huber_scale
    roots = RESCALED if zero else PLAIN
    with np.errstate(divide="ignore"):
        sigmas = np.sqrt((1 - roots**2) / roots**2)
    return (1 - c) / (1 + sigmas) ** 2 + c


def errors(rule: LossRule, zero: bool) -> np.ndarray:
    off = OUTPUT.double().numpy() - TARGET.double().numpy()
    if rule.kind in {"l2", "l1"}:
        return off**2 if rule.kind == "l2" else np.abs(off)
    c = bends(rule, zero)[:, None, None, None]
    return 2 * (c if rule.kind == "huber" else 1.0) * (np.sqrt(off**2 + c**2) - c)


def test_the_rule_has_the_defaults_of_the_config() -> None:
    config = msgspec.structs.asdict(LossConfig())
    assert asdict(LossRule()) == {key: config[key] for key in asdict(LossRule())}


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("schedule", ["constant", "exponential", "snr"])
@pytest.mark.parametrize("kind", ["l2", "l1", "huber", "smooth_l1"])
def test_losses_at_all_timesteps(kind: Any, schedule: Any, masked: bool, zero: bool) -> None:
    rule = LossRule(kind, 0.07, schedule, 1.3)
    found = per_picture(OUTPUT, TARGET, mask=MASK if masked else None, rule=rule, times=TIMES, path=path_of(zero))
    expected = errors(rule, zero) * (MASK.double().numpy() if masked else 1.0)
    np.testing.assert_allclose(found.numpy(), expected.mean(axis=(1, 2, 3)), rtol=2e-5)
    assert found.dtype == torch.float32


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("schedule", ["constant", "exponential", "snr"])
def test_bends_at_all_timesteps(schedule: Any, zero: bool) -> None:
    rule = LossRule("huber", 0.1, schedule, 0.8)
    np.testing.assert_allclose(huber_bend(TIMES, rule, path=path_of(zero)).numpy(), bends(rule, zero), rtol=1e-9)


def test_huber_is_squared_near_zero_and_absolute_far_off() -> None:
    rule, path, times = LossRule("huber", 0.1, "constant"), path_of(False), torch.zeros(1)
    nothing = torch.zeros(1, 1, 1, 1)

    def loss(off: float, kind: Any) -> float:
        given = LossRule(kind, rule.huber_c, rule.huber_schedule)
        return per_picture(nothing + off, nothing, mask=None, rule=given, times=times, path=path).item()

    assert loss(0.005, "huber") == pytest.approx(0.005**2, rel=0.01)
    assert loss(50.0, "huber") == pytest.approx(2 * 0.1 * 50, rel=0.01)
    assert loss(0.005, "smooth_l1") == pytest.approx(0.005**2 / 0.1, rel=0.01)
    assert loss(50.0, "smooth_l1") == pytest.approx(2 * 50, rel=0.01)


def test_a_mask_takes_errors_out_and_divides_by_the_whole_picture() -> None:
    mask = torch.zeros(1, 1, 2, 2)
    mask[..., 0] = 1.0
    output = torch.tensor([[[[1.0, 100.0], [2.0, 100.0]]]])
    found = per_picture(
        output, torch.zeros_like(output), mask=mask, rule=LossRule(), times=torch.zeros(1), path=path_of(False)
    )
    assert found.tolist() == [(1.0 + 4.0) / 4]


def test_bf16_outputs_are_compared_in_float32() -> None:
    output = torch.full((1, 1, 16, 16), 1.0, dtype=torch.bfloat16)
    target = torch.full((1, 1, 16, 16), 1.001)
    found = per_picture(output, target, mask=None, rule=LossRule(), times=torch.zeros(1), path=path_of(False))
    assert found.item() == pytest.approx(1e-6, rel=1e-3)
