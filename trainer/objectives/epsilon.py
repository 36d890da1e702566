"""The network says which noise was added: the objective of DDPM, SD 1.x and most SDXL models.

Loss: L_simple, eq. 14 of Ho et al. 2020 (arXiv 2006.11239).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.contracts.objective import NoisePath, Objective
from trainer.errors import ConfigError

if TYPE_CHECKING:
    import torch


def path(zero_terminal_snr: bool) -> NoisePath:
    """Stable Diffusion's own. Raises ConfigError with zero terminal SNR: x0 cannot be told from pure noise and eps."""
    if zero_terminal_snr:
        raise ConfigError(
            "objective.zero_terminal_snr: an epsilon model says nothing where the picture is pure noise",
            hint='set it to false, or objective.name to "v_prediction" if the base model is one',
        )
    from trainer.objectives._paths import discrete

    return discrete(False)


def target(clean: torch.Tensor, noise: torch.Tensor, *, alpha: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The noise itself."""
    return noise


def split(
    output: torch.Tensor, noisy: torch.Tensor, *, alpha: torch.Tensor, sigma: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """x0 = (x_t - sigma eps) / alpha, eq. 4 of Ho et al. solved for x0, and eps."""
    return (noisy - sigma * output) / alpha, output


OBJECTIVE = Objective(name="epsilon", prediction_type="epsilon", path=path, target=target, split=split)
