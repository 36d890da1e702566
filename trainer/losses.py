"""How far off the network is, per picture: squared, absolute, or something between; and where in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from trainer.contracts.objective import NoisePath

_NUM_TIMES = 1000


@dataclass(frozen=True)
class LossRule:
    """Those fields of `[loss]` that say how an error counts."""

    kind: Literal["l2", "l1", "huber", "smooth_l1"] = "l2"
    huber_c: float = 0.1
    huber_schedule: Literal["constant", "exponential", "snr"] = "snr"
    huber_scale: float = 1.0


def per_picture(
    output: torch.Tensor,
    target: torch.Tensor,
    *,
    mask: torch.Tensor | None,
    rule: LossRule,
    times: torch.Tensor,
    path: NoisePath,
) -> torch.Tensor:
    """Losses [B], float32, of what the network said and should have said [B, C, H, W], at times [B].

    With a mask [B, 1, H, W] in 0..1 errors are multiplied by it, and the mean is still over all of the picture: a
    picture of which little counts, counts little (as in sd-scripts, apply_masked_loss). Huber losses in their smooth
    form, d being the error and c following the time:
        huber: 2 c (sqrt(d^2 + c^2) - c)      smooth_l1: 2 (sqrt(d^2 + c^2) - c)
    (Charbonnier et al. 1997; for diffusion Khrapov et al. 2024, arXiv 2403.16728;
    kohya-ss/sd-scripts:library/train_util.py, conditional_loss).
    """
    off = output.float() - target.float()
    errors = _errors(off, rule, times=times, path=path)
    if mask is not None:
        errors = errors * mask.to(errors)
    return errors.mean(dim=(1, 2, 3))


def _errors(off: torch.Tensor, rule: LossRule, *, times: torch.Tensor, path: NoisePath) -> torch.Tensor:
    if rule.kind == "l2":
        return off.square()
    if rule.kind == "l1":
        return off.abs()
    bend = huber_bend(times, rule, path=path).to(off)[:, None, None, None]
    beyond = (off.square() + bend.square()).sqrt() - bend
    return 2.0 * bend * beyond if rule.kind == "huber" else 2.0 * beyond


def huber_bend(times: torch.Tensor, rule: LossRule, *, path: NoisePath) -> torch.Tensor:
    """c [B], float64: the error at which a Huber loss turns from squared to absolute.

    constant: huber_c huber_scale.
    exponential: huber_c^(t / 1000) huber_scale, from huber_scale at the clean end.
    snr: (1 - huber_c) / (1 + sigma / alpha)^2 + huber_c, from near 1 to huber_c at pure noise; huber_scale plays no
    part, as in sd-scripts (library/train_util.py, get_huber_threshold_if_needed).
    """
    if rule.huber_schedule == "constant":
        return torch.full_like(times, rule.huber_c * rule.huber_scale, dtype=torch.float64)
    if rule.huber_schedule == "exponential":
        return rule.huber_c ** (times.double() / _NUM_TIMES) * rule.huber_scale
    alpha, sigma = path.coefficients(times)
    # 1 / (1 + sigma / alpha) without the division by an alpha of 0.
    return (1.0 - rule.huber_c) * (alpha / (alpha + sigma)) ** 2 + rule.huber_c
