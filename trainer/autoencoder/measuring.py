"""What a VAE makes of pictures that it was not trained on, and how wide its latents are spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainer.autoencoder import losses
from trainer.autoencoder.pictures import as_floats

_AT_ONCE_PX = 512 * 64 * 64


@dataclass(frozen=True)
class Measured:
    """Of the pictures held out; latents are their means, nothing is drawn."""

    psnr_db: float
    absolute: float
    latent_std: float
    """Standard deviation of all latents' means."""
    latent_spread: float
    """Mean of the deviations that the encoder gives its latents: how unsure it is."""
    made: torch.Tensor
    """The reconstructions [N, 3, H, W], -1..1, on the CPU."""


@torch.no_grad()
def held_out(vae: Any, pixels: torch.Tensor) -> Measured:
    """Measures; `pixels` are uint8."""
    found = [_one(vae, part) for part in _parts(pixels)]
    made, means, spreads = (torch.cat(parts) for parts in zip(*found, strict=True))
    whole = as_floats(pixels)
    return Measured(
        psnr_db=losses.psnr(whole, made),
        absolute=(whole - made).abs().mean().item(),
        latent_std=means.std().item(),
        latent_spread=spreads.mean().item(),
        made=made,
    )


@torch.no_grad()
def scaling_factor(vae: Any, pixels: torch.Tensor) -> float:
    """1 / the standard deviation of the means of these pictures' latents, which it brings to 1."""
    means = [vae.encode(_placed(vae, part)).latent_dist.mean.cpu() for part in _parts(pixels)]
    return 1 / torch.cat(means).std().item()


def _one(vae: Any, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    latents = vae.encode(_placed(vae, pixels)).latent_dist
    made = vae.decode(latents.mean).sample.clamp(-1, 1)
    return made.cpu(), latents.mean.cpu(), latents.std.cpu()


def _placed(vae: Any, pixels: torch.Tensor) -> torch.Tensor:
    return as_floats(pixels).to(vae.device)


def _parts(pixels: torch.Tensor) -> list[torch.Tensor]:
    """As many pictures at once as memory is taken to be there for."""
    count = max(1, _AT_ONCE_PX // (pixels.shape[-1] * pixels.shape[-2]))
    return [pixels[start : start + count] for start in range(0, len(pixels), count)]
