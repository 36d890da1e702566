"""Min-SNR-gamma without its corner: snr gamma / (snr + gamma) for the error of x0; 4 was its authors' gamma.

Crowson et al. 2024, Hourglass Diffusion Transformers (arXiv 2401.11605), who write it 1 / (sigma^2 + 1 / gamma) with
snr = 1 / sigma^2. For epsilon it is gamma / (snr + gamma).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.contracts.objective import Weighting
from trainer.weightings._clean_space import converted
from trainer.weightings._floor import floored

if TYPE_CHECKING:
    import torch


def weight(snr: torch.Tensor, *, prediction_type: str, gamma: float) -> torch.Tensor:
    """Weights [B], float64; SNRs are floored first."""
    known = floored(snr)
    return converted(known * gamma / (known + gamma), known, prediction_type=prediction_type)


WEIGHTING = Weighting(name="soft_min_snr", prediction_types=frozenset({"epsilon", "v", "flow"}), weight=weight)
