"""Every noise level counts the same in what the network says; the loss of the objective's own paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.contracts.objective import Weighting

if TYPE_CHECKING:
    import torch


def weight(snr: torch.Tensor, *, prediction_type: str, gamma: float) -> torch.Tensor:
    """One, always [B]."""
    import torch

    return torch.ones_like(snr, dtype=torch.float64)


WEIGHTING = Weighting(name="none", prediction_types=frozenset({"epsilon", "v", "flow"}), weight=weight)
