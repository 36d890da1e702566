"""DDIM without noise, with classifier-free guidance: the same picture for the same seed, always.

x_s = alpha_s x0 + sigma_s eps, eq. 12 of Song et al. 2021 (arXiv 2010.02502) with eta = 0; on a straight
path it is Euler's method. Guidance: eq. 6 of Ho and Salimans 2022 (arXiv 2207.12598), written on the network's
output: x0 and eps are linear in it, so it is the same as guiding those, and it holds where the picture is pure noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from PIL import Image

from trainer.contracts.model import Condition, Geometry, Model
from trainer.contracts.objective import NoisePath, Objective
from trainer.memory.placing import aside, text_parts, using
from trainer.sampling.prompts import Prompt
from trainer.seeds import normal
from trainer.signals import never

DECODING_BYTES = 4500
"""Of GPU memory that a VAE takes for each pixel that it makes, and a margin (measure_activations)."""


@dataclass(frozen=True)
class Request:
    """Pictures to be made, one per prompt."""

    prompts: tuple[Prompt, ...]
    guidance_rescale: float = 0.0
    """Share of the guided output that is brought back to the contrast it had without; 0: none, 0.7 is usual."""

    def of_seed(self, seed: int) -> Request:
        """The same from the noise of another seed."""
        return replace(self, prompts=tuple(replace(prompt, seed=seed) for prompt in self.prompts))


@dataclass(frozen=True)
class Guide:
    """What leads the way from noise to picture; `unwanted` is None where nothing is to be kept away from."""

    wanted: Condition
    unwanted: Condition | None
    scale: float
    rescale: float


@torch.no_grad()
def pictures(
    model: Model,
    objective: Objective,
    path: NoisePath,
    *,
    request: Request,
    stride_px: int,
    stop: Callable[[], bool] = never,
) -> list[Image.Image]:
    """One picture per prompt, each from the noise of (its seed, its draw): a prompt's picture is its own matter.

    None at all where `stop()` came true before the last of them.
    They are made one by one, since a batch would fill short prompts up to the length of the longest.
    """
    # One kind of network after the other: where memory is short, each comes to the device once.
    with using(model, text_parts(model)):
        guides = [_guide(model, prompt, rescale=request.guidance_rescale) for prompt in request.prompts]
    clean = []
    painters = [part for part in model.parts if part not in text_parts(model)]
    with using(model, painters):
        for prompt, guide in zip(request.prompts, guides, strict=True):
            if stop():
                return []
            width, height = (side // stride_px for side in prompt.size_px)
            noise = normal((model.latent_channels, height, width), prompt.seed, prompt.draw, "sample")
            way = path.sampling_times(prompt.steps).tolist()
            clean.append(denoise(model, objective, path, noise=noise[None].to(model.device), way=way, guide=guide))
    largest = max(prompt.size_px[0] * prompt.size_px[1] for prompt in request.prompts)
    with aside(model, painters, for_bytes=largest * DECODING_BYTES), using(model, ("vae",)):
        return [to_picture(model.decode(latents)[0]) for latents in clean]


def _guide(model: Model, prompt: Prompt, *, rescale: float) -> Guide:
    geometry = [Geometry(prompt.size_px, (0, 0), prompt.size_px)]
    wanted = model.assemble(model.encode_text([prompt.text]), geometry)
    unwanted = None
    if prompt.guidance != 1.0:
        unwanted = model.assemble(model.encode_text([prompt.negative]), geometry)
    return Guide(wanted, unwanted, prompt.guidance, rescale)


def denoise(
    model: Model, objective: Objective, path: NoisePath, *, noise: torch.Tensor, way: list[float], guide: Guide
) -> torch.Tensor:
    """Clean latents [B, C, H, W] from pure noise of that shape, over the descending times of `way`."""
    latents = noise
    for now, after in zip(way, [*way[1:], path.clean_time], strict=True):
        times = torch.full((latents.shape[0],), now, dtype=torch.float64, device=latents.device)
        alpha, sigma = _coefficients(path, times, latents)
        output = _guided(model, latents, times=times, guide=guide)
        clean, eps = objective.split(output, latents, alpha=alpha, sigma=sigma)
        alpha, sigma = _coefficients(path, torch.full_like(times, after), latents)
        latents = alpha * clean + sigma * eps
    return latents


def _guided(model: Model, latents: torch.Tensor, *, times: torch.Tensor, guide: Guide) -> torch.Tensor:
    output = model.predict(latents, times, condition=guide.wanted)
    if guide.unwanted is None:
        return output
    without = model.predict(latents, times, condition=guide.unwanted)
    guided = without + guide.scale * (output - without)
    return rescaled(guided, output, share=guide.rescale) if guide.rescale else guided


def rescaled(guided: torch.Tensor, plain: torch.Tensor, *, share: float) -> torch.Tensor:
    """`guided` [B, C, H, W], by `share` on the way to the standard deviation that `plain` has in each picture.

    Guidance makes outputs, and so pictures, too strong: eq. 15 and 16 of Lin et al. 2023 (arXiv 2305.08891).
    """
    every = (1, 2, 3)
    factor = plain.std(dim=every, keepdim=True) / guided.std(dim=every, keepdim=True).clamp(min=1e-12)
    return share * guided * factor + (1.0 - share) * guided


def _coefficients(path: NoisePath, times: torch.Tensor, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    alpha, sigma = path.coefficients(times)
    return alpha.to(latents.dtype)[:, None, None, None], sigma.to(latents.dtype)[:, None, None, None]


def to_picture(pixels: torch.Tensor) -> Image.Image:
    """The picture of pixels [3, h, w] in -1..1."""
    values = ((pixels.float().cpu() + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).contiguous().numpy())
