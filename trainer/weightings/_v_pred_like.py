"""A second loss beside epsilon's, weighted like v-prediction's: sd-scripts' v_pred_like_loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.weightings._floor import floored

if TYPE_CHECKING:
    import torch


def v_pred_like(snr: torch.Tensor, *, strength: float) -> torch.Tensor:
    """How many times the loss [B] of epsilon is added to itself, float64: strength (snr + 1) / snr.

    That is `strength` times the loss of v for the same error (kohya-ss/sd-scripts:library/custom_train_functions.py,
    add_v_prediction_like_loss); SNRs are floored first, and those above 1000 count as 1000.
    """
    known = floored(snr).clamp(max=1000.0)
    return strength * (known + 1.0) / known
