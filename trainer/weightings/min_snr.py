"""Clean levels count no more than those of SNR gamma: min-SNR-gamma, 5 being its authors' choice.

Hang et al. 2023 (arXiv 2303.09556), section 3.4: min(snr, gamma) for the error of x0; min(snr, gamma) / snr for
epsilon, and min(snr, gamma) / (snr + 1) for v. For flow the same rule gives min(snr, gamma) sigma^2.
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
    return converted(known.clamp(max=gamma), known, prediction_type=prediction_type)


WEIGHTING = Weighting(name="min_snr", prediction_types=frozenset({"epsilon", "v", "flow"}), weight=weight)
