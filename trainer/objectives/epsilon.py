"""The network says which noise was added: the objective of DDPM, SD 1.x and most SDXL models.

Loss: L_simple, eq. 14 of Ho et al. 2020 (arXiv 2006.11239), every time weighing the same.
"""

from __future__ import annotations

import torch

from trainer.contracts import Objective
from trainer.objectives._schedule import coefficients, draw_times, like, sampling_times


def target(clean: torch.Tensor, noise: torch.Tensor, *, times: torch.Tensor) -> torch.Tensor:
    """The noise itself."""
    return noise


def split(output: torch.Tensor, noisy: torch.Tensor, *, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """x0 = (x_t - sigma eps) / alpha, eq. 4 of Ho et al. solved for x0, and eps."""
    alpha, sigma = coefficients(times)
    return (noisy - like(sigma, noisy) * output) / like(alpha, noisy), output


def weight(times: torch.Tensor) -> torch.Tensor:
    """One, always."""
    return torch.ones(times.shape, dtype=torch.float64, device=times.device)


OBJECTIVE = Objective(
    name="epsilon",
    prediction_type="epsilon",
    draw_times=draw_times,
    coefficients=coefficients,
    target=target,
    split=split,
    weight=weight,
    sampling_times=sampling_times,
)
