"""Weights that the literature gives for the error of x0, for what the network says instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def converted(weights: torch.Tensor, snr: torch.Tensor, *, prediction_type: str) -> torch.Tensor:
    """Weights [B] of the squared error of x0, times (d x0 / d output)^2; SNRs [B] above 0.

    epsilon: x0 = (x_t - sigma eps) / alpha, so 1 / snr.
    v: x0 = alpha x_t - sigma v, so sigma^2 = 1 / (snr + 1).
    flow: x0 = x_t - sigma u, so sigma^2, with sigma = 1 / (1 + sqrt(snr)) on the straight path.
    """
    if prediction_type == "epsilon":
        return weights / snr
    if prediction_type == "v":
        return weights / (snr + 1.0)
    return weights / (1.0 + snr.sqrt()) ** 2
