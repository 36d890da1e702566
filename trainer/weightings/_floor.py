"""The SNRs that weights are worked out from: never 0, never infinite."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LOWEST_SNR = 0.004681916706157956
"""abar / (1 - abar) at time 999 of Stable Diffusion's schedule as it is without zero terminal SNR."""
HIGHEST_SNR = 1e12
"""Cleaner than any time that is trained; reached at the clean picture itself alone."""


def floored(snr: torch.Tensor) -> torch.Tensor:
    """SNRs [B] as float64, raised to `LOWEST_SNR` where they are below.

    With zero terminal SNR the last time has SNR 0, where most weights of the literature are 0, infinite or 0/0: the
    network would never learn the one step that such a schedule exists for. Their authors knew no SNR below this one,
    so all noisier times weigh as much as the noisiest that they knew. On the rescaled schedule those are the last
    120 of the 1,000.
    """
    return snr.double().clamp(LOWEST_SNR, HIGHEST_SNR)
