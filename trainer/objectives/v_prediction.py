"""The network says the velocity, v = alpha eps - sigma x0: SD 2.x at 768 px, and SDXL models such as NoobAI v-pred.

Salimans and Ho 2022 (arXiv 2202.00512), section 4 and appendix D. Where the picture is pure noise, v is -x0: the
network has something to say there, which is why models with zero terminal SNR are of this kind (Lin et al. 2023,
arXiv 2305.08891, section 3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.contracts.objective import NoisePath, Objective

if TYPE_CHECKING:
    import torch


def path(zero_terminal_snr: bool) -> NoisePath:
    """Stable Diffusion's own, rescaled where it shall end in pure noise."""
    from trainer.objectives._paths import discrete

    return discrete(zero_terminal_snr)


def target(clean: torch.Tensor, noise: torch.Tensor, *, alpha: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """v = alpha eps - sigma x0."""
    return alpha * noise - sigma * clean


def split(
    output: torch.Tensor, noisy: torch.Tensor, *, alpha: torch.Tensor, sigma: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """x0 = alpha x_t - sigma v, eps = sigma x_t + alpha v; both by alpha^2 + sigma^2 = 1."""
    return alpha * noisy - sigma * output, sigma * noisy + alpha * output


OBJECTIVE = Objective(name="v_prediction", prediction_type="v", path=path, target=target, split=split)
