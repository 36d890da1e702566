"""The noise that is added to a picture in training: white, moved as a whole, coarse, and what only the network sees.

Each picture's noise follows from its key alone, so it does not depend on the batch that the picture is in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from trainer.seeds import normal, unit

Key = tuple[int, *tuple[str | int, ...]]
"""The run's seed, and what the draw is for."""


@dataclass(frozen=True)
class NoiseRule:
    """The fields of `[noise]`."""

    offset: float = 0.0
    offset_random: bool = False
    offset_adaptive: float = 0.0
    pyramid_iterations: int = 0
    pyramid_discount: float = 0.3
    input_perturbation: float = 0.0
    input_perturbation_random: bool = False


def make(
    shape: tuple[int, ...], rule: NoiseRule, *, clean: torch.Tensor, key: Key
) -> tuple[torch.Tensor, torch.Tensor]:
    """The noise [C, H, W] that the target is made of, and what is added to it in the network's sight; float32, CPU.

    `clean` [C, H, W] is looked at for the adaptive offset alone. The order is sd-scripts': white noise, offset, pyramid
    (kohya-ss/sd-scripts:library/train_util.py, get_noise_noisy_latents_and_timesteps); random strengths are drawn per
    picture, not per batch.
    """
    noise = normal(shape, *key, "noise")
    if rule.offset or rule.offset_adaptive:
        strength = rule.offset * (unit(*key, "offset strength") if rule.offset_random else 1.0)
        strengths = offset_strengths(clean.float().cpu(), strength, adaptive=rule.offset_adaptive)
        noise = noise + strengths * normal((shape[0], 1, 1), *key, "offset")
    if rule.pyramid_iterations:
        noise = pyramid(
            noise,
            rule.pyramid_iterations,
            discount=rule.pyramid_discount,
            ratio=lambda layer: 2.0 + 2.0 * unit(*key, "pyramid ratio", layer),
            white=lambda layer, size: normal(size, *key, "pyramid", layer),
        )
    return noise, _perturbation(shape, rule, key=key)


def offset_strengths(clean: torch.Tensor, strength: float, *, adaptive: float) -> torch.Tensor:
    """Strength of the offset in each channel [C, 1, 1]: strength + adaptive |mean of the channel|, never below 0.

    Offset noise: Guttenberg 2023, crosslabs.org/blog/diffusion-with-offset-noise; the adaptive part is sd-scripts'
    (library/custom_train_functions.py, apply_noise_offset).
    """
    return (strength + adaptive * clean.mean(dim=(1, 2), keepdim=True).abs()).clamp(min=0.0)


def pyramid(
    noise: torch.Tensor,
    iterations: int,
    *,
    discount: float,
    ratio: Callable[[int], float],
    white: Callable[[int, tuple[int, ...]], torch.Tensor],
) -> torch.Tensor:
    """`noise` [C, H, W] plus coarser and coarser layers of noise, scaled back to a standard deviation of 1.

    Layer i is white noise, smaller by ratio(i)^i, enlarged bilinearly, times discount^i; the last has a side of 1.
    Multi-resolution noise: Whitaker 2023, as in sd-scripts (library/custom_train_functions.py, pyramid_noise_like),
    whose standard deviation is that of a whole batch; here it is each picture's own.
    """
    channels, height, width = noise.shape
    total = noise
    for layer in range(iterations):
        scale = ratio(layer) ** layer
        small = max(1, int(height / scale)), max(1, int(width / scale))
        coarse = white(layer, (channels, *small))[None]
        total = total + _enlarged(coarse, (height, width)) * discount**layer
        if 1 in small:
            break
    return total / total.std()


def _enlarged(coarse: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")[0]


def _perturbation(shape: tuple[int, ...], rule: NoiseRule, *, key: Key) -> torch.Tensor:
    """Input perturbation: Ning et al. 2023 (arXiv 2301.11706), algorithm 1."""
    if not rule.input_perturbation:
        return torch.zeros(shape)
    strength = rule.input_perturbation * (
        unit(*key, "perturbation strength") if rule.input_perturbation_random else 1.0
    )
    return strength * normal(shape, *key, "perturbation")
