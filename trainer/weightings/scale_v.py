"""The levels of v-prediction count as they do for epsilon: snr / (snr + 1).

What sd-scripts calls scale_v_pred_loss_like_noise_pred (kohya-ss/sd-scripts:library/custom_train_functions.py,
get_snr_scale), SNRs above 1000 counting as 1000.
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
    return known / (known + 1.0)


WEIGHTING = Weighting(name="scale_v", prediction_types=frozenset({"v"}), weight=weight)
