"""DDIM without noise, with classifier-free guidance: the same picture for the same seed, always.

x_s = alpha_s x0 + sigma_s eps, eq. 12 of Song et al. 2021 (arXiv 2010.02502) with eta = 0; on a straight
path it is Euler's method. Guidance: eq. 6 of Ho and Salimans 2022 (arXiv 2207.12598), written on eps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from PIL import Image

from trainer.contracts import Geometry, Model, Objective
from trainer.seeds import normal


@dataclass(frozen=True)
class Request:
    """Pictures to be made, one per prompt."""

    prompts: tuple[str, ...]
    negative: str
    size_px: tuple[int, int]
    steps: int
    guidance: float
    seed: int


@torch.no_grad()
def pictures(model: Model, objective: Objective, *, request: Request, stride_px: int) -> list[Image.Image]:
    """One picture per prompt, each from the noise of (seed, its row): a prompt's picture is its own matter."""
    width, height = (side // stride_px for side in request.size_px)
    rows = range(len(request.prompts))
    noise = [normal((model.latent_channels, height, width), request.seed, row, "sample") for row in rows]
    latents = torch.stack(noise).to(model.device)
    geometry = [Geometry(request.size_px, (0, 0), request.size_px)] * len(request.prompts)
    wanted = model.condition(request.prompts, geometry)
    unwanted = model.condition([request.negative] * len(request.prompts), geometry)
    times = objective.sampling_times(request.steps).tolist()
    for now, after in zip(times, [*times[1:], -1], strict=True):
        latents = _step(
            model, objective, latents=latents, span=(now, after), guide=(wanted, unwanted, request.guidance)
        )
    return [_to_picture(model.decode(latent[None])[0]) for latent in latents]


def _step(
    model: Model,
    objective: Objective,
    *,
    latents: torch.Tensor,
    span: tuple[float, float],
    guide: tuple[Mapping[str, torch.Tensor], Mapping[str, torch.Tensor], float],
) -> torch.Tensor:
    wanted, unwanted, scale = guide
    now = torch.full((latents.shape[0],), span[0], device=model.device)
    output = model.predict(latents, now, condition=wanted)
    if scale != 1.0:
        without = model.predict(latents, now, condition=unwanted)
        output = without + scale * (output - without)
    clean, noise = objective.split(output, latents, times=now)
    alpha, sigma = objective.coefficients(torch.full_like(now, span[1]))
    return float(alpha[0]) * clean + float(sigma[0]) * noise


def _to_picture(pixels: torch.Tensor) -> Image.Image:
    values = ((pixels.float().cpu() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).contiguous().numpy())
