"""Weights, losses and noise are sd-scripts' own, over all 1,000 timesteps: its functions run beside ours, on the CPU.

PEER_SD_SCRIPTS names a checkout of kohya-ss/sd-scripts, PEER_SD_SCRIPTS_PYTHON an interpreter that has its
requirements; the checkout's `venv` is taken without. With zero terminal SNR its SNRs are asked for after the rescale
(its scripts work them out before), and our weights are its own only down to the SNR at which ours are floored.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from peers.real_export import checkout, read_back

from trainer.losses import LossRule, per_picture
from trainer.noise import NoiseRule, make
from trainer.registry import OBJECTIVES, WEIGHTINGS
from trainer.seeds import normal, unit
from trainer.weightings._floor import LOWEST_SNR
from trainer.weightings._v_pred_like import v_pred_like

pytestmark = pytest.mark.peers

TIMES = torch.arange(1000, dtype=torch.float64)
OUTPUT, TARGET = torch.randn(2, 1000, 2, 2, 3, generator=torch.Generator().manual_seed(2))
MASK = torch.rand(1000, 2, 3, generator=torch.Generator().manual_seed(3))
CLEAN = (
    torch.randn(4, 24, 16, generator=torch.Generator().manual_seed(5)) + torch.tensor([1.0, -2, 0, 3])[:, None, None]
)
KEY = (7, "picture", 3)
RULES = [
    NoiseRule(),
    NoiseRule(offset=0.1),
    NoiseRule(offset=0.1, offset_random=True),
    NoiseRule(offset=0.1, offset_adaptive=0.05),
    NoiseRule(offset=0.1, offset_adaptive=-0.2),
    NoiseRule(pyramid_iterations=2, pyramid_discount=0.3),
    NoiseRule(pyramid_iterations=10, pyramid_discount=0.8),
    NoiseRule(input_perturbation=0.1),
    NoiseRule(input_perturbation=0.1, input_perturbation_random=True),
    NoiseRule(0.05, True, 0.1, 6, 0.4, 0.2, True),
]


def drawn(rule: NoiseRule) -> dict[str, Any]:
    """What sd-scripts shall draw, in its order, and the arguments that stand for the rule."""
    shape = tuple(CLEAN.shape)
    normals, shares = [normal(shape, *KEY, "noise")], []
    if rule.offset:
        normals.append(normal((4, 1, 1), *KEY, "offset"))
        shares += [unit(*KEY, "offset strength")] if rule.offset_random else []
    ratios = [unit(*KEY, "pyramid ratio", layer) for layer in range(rule.pyramid_iterations)]
    for layer, share in enumerate(ratios):
        height, width = (max(1, int(side / (share * 2 + 2) ** layer)) for side in shape[1:])
        normals.append(normal((4, height, width), *KEY, "pyramid", layer))
        if 1 in (height, width):
            break
    if rule.input_perturbation:
        normals.append(normal(shape, *KEY, "perturbation"))
        shares += [unit(*KEY, "perturbation strength")] if rule.input_perturbation_random else []
    args = {
        "noise_offset": rule.offset or None,
        "noise_offset_random_strength": rule.offset_random,
        "adaptive_noise_scale": rule.offset_adaptive or None,
        "multires_noise_iterations": rule.pyramid_iterations or None,
        "multires_noise_discount": rule.pyramid_discount,
        "ip_noise_gamma": rule.input_perturbation or None,
        "ip_noise_gamma_random_strength": rule.input_perturbation_random,
    }
    lists = [each.tolist() for each in normals]
    return {
        "normals": lists,
        "shares": shares,
        "ratios": ratios,
        "args": args,
        "time": 400,
        "latents": CLEAN[None].tolist(),
    }


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    repository = checkout("PEER_SD_SCRIPTS")
    what = tmp_path_factory.mktemp("math") / "what.json"
    losses = {"output": OUTPUT.tolist(), "target": TARGET.tolist(), "mask": MASK.tolist()}
    what.write_text(json.dumps({"losses": losses, "noise": [drawn(rule) for rule in RULES]}), "utf-8")
    return read_back("sd_scripts_math_reader.py", repository, str(what), python="PEER_SD_SCRIPTS_PYTHON")


@pytest.mark.parametrize("zero", [False, True])
def test_snr(said: dict[str, Any], zero: bool) -> None:
    found = OBJECTIVES.load("v_prediction", field="").path(zero).snr(TIMES).numpy()
    # Its tables are products of 1,000 float32 numbers; near pure noise little is left of their digits.
    np.testing.assert_allclose(found, said["weights"][str(zero)]["snr"], rtol=2e-3 if not zero else 2e-2, atol=1e-6)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("case", ["min_snr/epsilon", "min_snr/v", "debiased/epsilon", "debiased/v", "scale_v/v"])
def test_weights(said: dict[str, Any], case: str, zero: bool) -> None:
    name, kind = case.split("/")
    snr = OBJECTIVES.load("v_prediction", field="").path(zero).snr(TIMES)
    found = WEIGHTINGS.load(name, field="").weight(snr, prediction_type=kind, gamma=5.0).numpy()
    theirs = np.asarray(said["weights"][str(zero)][case])
    above = snr.numpy() >= LOWEST_SNR * (1 - 1e-9)
    assert above.sum() == (880 if zero else 1000)
    np.testing.assert_allclose(found[above], theirs[above], rtol=1e-4)
    last = said["weights"]["False"][case][-1]
    np.testing.assert_allclose(found[~above], last, rtol=1e-4)


def test_v_pred_like_loss(said: dict[str, Any]) -> None:
    snr = OBJECTIVES.load("epsilon", field="").path(False).snr(TIMES)
    found = 1.0 + v_pred_like(snr, strength=0.3)
    np.testing.assert_allclose(found.numpy(), said["weights"]["False"]["v_pred_like"], rtol=1e-4)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("schedule", ["constant", "exponential", "snr"])
@pytest.mark.parametrize("kind", ["l2", "l1", "huber", "smooth_l1"])
def test_losses(said: dict[str, Any], kind: Any, schedule: Any, masked: bool, zero: bool) -> None:
    path = OBJECTIVES.load("v_prediction", field="").path(zero)
    rule = LossRule(kind, huber_c=0.07, huber_schedule=schedule, huber_scale=1.3)
    found = per_picture(OUTPUT, TARGET, mask=MASK[:, None] if masked else None, rule=rule, times=TIMES, path=path)
    theirs = said["losses"][str(zero)][f"{kind}/{schedule}{'/masked' if masked else ''}"]
    np.testing.assert_allclose(found.numpy(), theirs, rtol=1e-4)


@pytest.mark.parametrize("number", range(len(RULES)), ids=lambda number: str(list(asdict(RULES[number]).values())))
def test_noise_of_one_picture(said: dict[str, Any], number: int) -> None:
    noise, extra = make(tuple(CLEAN.shape), RULES[number], clean=CLEAN, key=KEY)
    theirs = said["noise"][number]
    np.testing.assert_allclose(noise[None].numpy(), theirs["noise"], rtol=1e-5, atol=1e-6)
    alpha, sigma = OBJECTIVES.load("epsilon", field="").path(False).coefficients(torch.tensor([400.0]))
    noisy = alpha.float() * CLEAN + sigma.float() * (noise + extra)
    np.testing.assert_allclose(noisy[None].numpy(), theirs["noisy"], rtol=1e-5, atol=1e-5)
