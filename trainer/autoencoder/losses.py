"""How far a reconstruction is off. Pixels go from -1 to 1, [B, 3, H, W]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from trainer.autoencoder.sections import LossConfig

_PEAK = 2.0
"""From the darkest to the brightest."""


@dataclass(frozen=True)
class Losses:
    """Their parts, each a mean, and their weighted sum."""

    absolute: torch.Tensor
    differences: torch.Tensor
    squared: torch.Tensor
    kl: torch.Tensor
    total: torch.Tensor


def of(pixels: torch.Tensor, made: torch.Tensor, *, latents: Any, rule: LossConfig) -> Losses:
    """Of pictures and what was made of their `latents`, a diagonal normal distribution."""
    across, down = _differences(pixels)
    made_across, made_down = _differences(made)
    absolute = (pixels - made).abs().mean()
    differences = (across - made_across).abs().mean() + (down - made_down).abs().mean()
    kl = 0.5 * (latents.mean**2 + latents.var - 1 - latents.logvar).mean()
    squared = (pixels - made).square().mean()
    # In this order: another one would change the last bits.
    total = rule.absolute * absolute + rule.differences * differences + rule.kl * kl + rule.squared * squared
    return Losses(absolute, differences, squared, kl, total)


def psnr(pixels: torch.Tensor, made: torch.Tensor) -> float:
    """Peak signal to noise ratio in dB: 10 log10(peak² / mean squared error over all pictures); infinite if equal."""
    error = (made - pixels).square().mean().item()
    return -10 * math.log10(error / _PEAK**2) if error else math.inf


def _differences(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return pixels[..., 1:] - pixels[..., :-1], pixels[..., 1:, :] - pixels[..., :-1, :]
