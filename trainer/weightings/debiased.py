"""Noisy levels count more: debiased estimation, 1 / sqrt(snr) for epsilon, and 1 / (snr + 1) for v.

Yu et al. 2023 (arXiv 2310.08442), who give it for epsilon; for v it is what sd-scripts does
(kohya-ss/sd-scripts:library/custom_train_functions.py, apply_debiased_estimation), SNRs above 1000 counting as 1000.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.contracts.objective import Weighting
from trainer.weightings._floor import floored

if TYPE_CHECKING:
    import torch


def weight(snr: torch.Tensor, *, prediction_type: str, gamma: float) -> torch.Tensor:
    """Weights [B], float64; SNRs are floored first, `gamma` plays no part."""
    known = floored(snr).clamp(max=1000.0)
    return 1.0 / (known + 1.0) if prediction_type == "v" else known.rsqrt()


WEIGHTING = Weighting(name="debiased", prediction_types=frozenset({"epsilon", "v"}), weight=weight)
