"""What the network learns to say, on which path from picture to noise, and how much each time weighs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


class NoisePath(Protocol):
    """x_t = alpha(t) x0 + sigma(t) eps, with times t in the network's own count, 0 to 1000."""

    clean_time: float
    """The time at which alpha is 1 and sigma 0."""
    zero_terminal_snr: bool
    """Whether the last time is pure noise."""

    def coefficients(self, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """alpha and sigma [B], float64, of times [B]."""
        ...

    def snr(self, times: torch.Tensor) -> torch.Tensor:
        """alpha^2 / sigma^2 [B], float64: 0 at pure noise."""
        ...

    def at_level(self, levels: torch.Tensor) -> torch.Tensor:
        """Times [B] that lie at these shares [B] of the way from clean (0) to noise (1, exclusive)."""
        ...

    def at_sigma(self, sigmas: torch.Tensor) -> torch.Tensor:
        """Times [B] whose sigma / alpha is nearest these [B], on a logarithmic scale."""
        ...

    def sampling_times(self, num: int) -> torch.Tensor:
        """`num` descending times, float64, from the noisiest, from which a sampler steps down to the clean one."""
        ...


class Target(Protocol):
    """What the network should say, from x0, eps [B, C, H, W]; alpha and sigma are [B, 1, 1, 1]."""

    def __call__(
        self, clean: torch.Tensor, noise: torch.Tensor, *, alpha: torch.Tensor, sigma: torch.Tensor
    ) -> torch.Tensor:
        """[B, C, H, W]."""
        ...


class Split(Protocol):
    """The network's idea of (x0, eps), from its output and x_t [B, C, H, W]; alpha and sigma are [B, 1, 1, 1]."""

    def __call__(
        self, output: torch.Tensor, noisy: torch.Tensor, *, alpha: torch.Tensor, sigma: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, C, H, W] each."""
        ...


@dataclass(frozen=True)
class Objective:
    """What the network learns to say."""

    name: str
    prediction_type: str
    """`modelspec.prediction_type`: epsilon, v, or flow."""
    path: Callable[[bool], NoisePath]
    """The noise path; True: with zero terminal SNR. Raises ConfigError where that cannot be."""
    target: Target
    split: Split


class WeightOf(Protocol):
    """Loss weight [B], float64, finite and above 0, of SNRs [B] that may be 0."""

    def __call__(self, snr: torch.Tensor, *, prediction_type: str, gamma: float) -> torch.Tensor:
        """Weights [B]."""
        ...


@dataclass(frozen=True)
class Weighting:
    """How much each noise level counts."""

    name: str
    prediction_types: frozenset[str]
    """Those that it is defined for."""
    weight: WeightOf
