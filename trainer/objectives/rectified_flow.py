"""The network says the direction of the straight line from picture to noise, u = eps - x0: SD 3, Flux and their kind.

Liu et al. 2022 (arXiv 2209.03003), eq. 1, with time running from picture to noise as in Esser et al. 2024
(arXiv 2403.03206), eq. 13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.contracts.objective import NoisePath, Objective

if TYPE_CHECKING:
    import torch


def path(zero_terminal_snr: bool) -> NoisePath:
    """The straight path; it ends in pure noise either way."""
    from trainer.objectives._paths import StraightPath

    return StraightPath()


def target(clean: torch.Tensor, noise: torch.Tensor, *, alpha: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """u = eps - x0, the same all along the path."""
    return noise - clean


def split(
    output: torch.Tensor, noisy: torch.Tensor, *, alpha: torch.Tensor, sigma: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """x0 = x_t - sigma u, eps = x_t + alpha u; both by alpha + sigma = 1."""
    return noisy - sigma * output, noisy + alpha * output


OBJECTIVE = Objective(name="rectified_flow", prediction_type="flow", path=path, target=target, split=split)
