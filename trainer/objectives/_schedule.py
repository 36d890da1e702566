"""The noise schedule of Stable Diffusion, in float64."""

from __future__ import annotations

from functools import lru_cache

import torch

NUM_TIMES = 1000


@lru_cache(maxsize=1)
def alphas_cumprod() -> torch.Tensor:
    """The products alpha-bar_t [1000] of eq. 4 in Ho et al. 2020 (arXiv 2006.11239).

    The betas are the square of a straight line from sqrt(0.00085) to sqrt(0.012), "scaled linear": the
    schedule of Rombach et al. 2022 (CompVis/stable-diffusion:ldm/modules/diffusionmodules/util.py).
    """
    roots = torch.linspace(0.00085**0.5, 0.012**0.5, NUM_TIMES, dtype=torch.float64)
    return torch.cumprod(1.0 - roots**2, dim=0)


def coefficients(times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """alpha and sigma [B], float64, of x_t = alpha x0 + sigma eps (eq. 4); time -1 is the clean picture."""
    table = torch.cat([alphas_cumprod(), torch.ones(1, dtype=torch.float64)])
    product = table.to(times.device)[times.long()]
    return product.sqrt(), (1.0 - product).sqrt()


def draw_times(uniform: torch.Tensor) -> torch.Tensor:
    """Times 0..999 [B], each as likely as the other, from uniform numbers in [0, 1)."""
    return (uniform.double() * NUM_TIMES).long().clamp(0, NUM_TIMES - 1)


def sampling_times(num: int) -> torch.Tensor:
    """`num` descending times that start at the last one, evenly apart.

    The "trailing" spacing of Lin et al. 2023 (arXiv 2305.08891, table 2): the first step sees the noise
    level that the network knows as pure noise.
    """
    steps = torch.arange(num, 0, -1, dtype=torch.float64) * NUM_TIMES / num
    return (steps.round().long() - 1).clamp(0, NUM_TIMES - 1)


def like(values: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """Values [B] shaped [B, 1, 1, 1], in the tensor's type, to multiply it with."""
    return values.to(tensor.dtype).reshape(-1, *([1] * (tensor.dim() - 1)))
