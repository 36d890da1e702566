"""Paths from picture to noise, in float64: the 1,000 steps of Stable Diffusion, and the straight line."""

from __future__ import annotations

from functools import lru_cache

import torch

NUM_TIMES = 1000


class DiscretePath:
    """x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps, eq. 4 of Ho et al. 2020 (arXiv 2006.11239), times 0 to 999."""

    clean_time: float = -1.0

    def __init__(self, zero_terminal_snr: bool) -> None:
        self.zero_terminal_snr: bool = zero_terminal_snr
        roots = scaled_linear().sqrt()
        if zero_terminal_snr:
            roots = rescaled(roots)
        self._products = torch.cat([roots**2, torch.ones(1, dtype=torch.float64)])

    def coefficients(self, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """alpha and sigma [B], float64, of times [B], -1 the clean picture; others are rounded."""
        products = self._at(times)
        return products.sqrt(), (1.0 - products).sqrt()

    def snr(self, times: torch.Tensor) -> torch.Tensor:
        """abar / (1 - abar) [B], float64: 0 at pure noise, infinite at the clean picture."""
        products = self._at(times)
        return products / (1.0 - products)

    def at_level(self, levels: torch.Tensor) -> torch.Tensor:
        """Times [B], float64 and whole: level 0 is the first, and each has a thousandth of the way."""
        return (levels.double() * NUM_TIMES).floor().clamp(0, NUM_TIMES - 1)

    def at_sigma(self, sigmas: torch.Tensor) -> torch.Tensor:
        """Times [B], float64 and whole, whose ln(sigma / alpha) is nearest; pure noise is near no finite sigma."""
        products = self._products[:-1].to(sigmas.device)
        known = ((1.0 - products) / products).log() / 2.0
        between = (known[1:] + known[:-1]) / 2.0
        return torch.searchsorted(between, sigmas.double().log()).double()

    def sampling_times(self, num: int) -> torch.Tensor:
        """`num` descending times, float64 and whole, that start at 999, evenly apart.

        The "trailing" spacing of Lin et al. 2023 (arXiv 2305.08891, table 2): the first step sees the noise
        level that the network knows as pure noise.
        """
        steps = torch.arange(num, 0, -1, dtype=torch.float64) * NUM_TIMES / num
        return (steps.round() - 1).clamp(0, NUM_TIMES - 1)

    def _at(self, times: torch.Tensor) -> torch.Tensor:
        return self._products.to(times.device)[times.round().long()]


class StraightPath:
    """x_t = (1 - s) x0 + s eps with s = t / 1000: eq. 13 of Esser et al. 2024 (arXiv 2403.03206), any real time."""

    clean_time: float = 0.0

    def __init__(self) -> None:
        self.zero_terminal_snr: bool = True

    def coefficients(self, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """alpha and sigma [B], float64, of times [B], 0 the clean picture, 1000 pure noise."""
        share = times.double() / NUM_TIMES
        return 1.0 - share, share

    def snr(self, times: torch.Tensor) -> torch.Tensor:
        """((1 - s) / s)^2 [B], float64: 0 at pure noise, infinite at the clean picture."""
        alpha, sigma = self.coefficients(times)
        return (alpha / sigma) ** 2

    def at_level(self, levels: torch.Tensor) -> torch.Tensor:
        """Times [B], float64: the level itself, by the thousand."""
        return levels.double() * NUM_TIMES

    def at_sigma(self, sigmas: torch.Tensor) -> torch.Tensor:
        """Times [B], float64, whose s / (1 - s) these are."""
        return sigmas.double() / (1.0 + sigmas.double()) * NUM_TIMES

    def sampling_times(self, num: int) -> torch.Tensor:
        """`num` descending times, float64, that start at 1000, evenly apart."""
        return torch.arange(num, 0, -1, dtype=torch.float64) * NUM_TIMES / num


@lru_cache(maxsize=2)
def discrete(zero_terminal_snr: bool) -> DiscretePath:
    """Stable Diffusion's path; True: rescaled so that its last time is pure noise."""
    return DiscretePath(zero_terminal_snr)


@lru_cache(maxsize=1)
def scaled_linear() -> torch.Tensor:
    """The products abar_t [1000] of Stable Diffusion's schedule.

    The betas are the square of a straight line from sqrt(0.00085) to sqrt(0.012), "scaled linear": the
    schedule of Rombach et al. 2022 (CompVis/stable-diffusion:ldm/modules/diffusionmodules/util.py).
    """
    roots = torch.linspace(0.00085**0.5, 0.012**0.5, NUM_TIMES, dtype=torch.float64)
    return torch.cumprod(1.0 - roots**2, dim=0)


def rescaled(roots: torch.Tensor) -> torch.Tensor:
    """sqrt(abar) [1000], moved so that the last is 0, and stretched so that the first stays as it is.

    Algorithm 1 of Lin et al. 2023 (arXiv 2305.08891).
    """
    moved: torch.Tensor = roots - roots[-1]
    return moved * (roots[0] / moved[0])
