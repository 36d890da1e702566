"""Which noise levels are trained how often: times from uniform numbers by inverse distribution functions, float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from trainer.contracts.objective import NoisePath
from trainer.errors import ConfigError

_NUM_TIMES = 1000
_EDGE = 1e-6
"""How far inside its range a time stays: enough that no rounding leaves the range, or reaches the clean picture."""
_SMALLEST, _LARGEST = 2.0**-60, 1.0 - 2.0**-53
_HIGHEST_SIGMA = 1e18
"""Of sigma / alpha: far beyond every path's last but one, and no infinity."""


@dataclass(frozen=True)
class TimeRule:
    """The fields of `[timesteps]`. Raises ConfigError where nothing lies between `min` and `max`."""

    distribution: Literal["uniform", "logit_normal", "edm"] = "uniform"
    mean: float = 0.0
    std: float = 1.0
    shift: float = 1.0
    shift_by_resolution: bool = False
    min: int = 0
    max: int = _NUM_TIMES

    def __post_init__(self) -> None:
        if self.min >= self.max:
            raise ConfigError(
                f"timesteps.min {self.min} is not below timesteps.max {self.max}",
                hint=f"for one timestep alone, set max to {self.min + 1}",
            )


def draw(uniform: torch.Tensor, rule: TimeRule, *, path: NoisePath, area_ratio: torch.Tensor) -> torch.Tensor:
    """Times [B], float64, of uniform numbers [B] in [0, 1); a larger number gives more noise.

    `area_ratio` [B]: pixels of the picture / pixels of the family's own resolution. `min` and `max` cut the
    distribution off as it is after the shift, and what is left is scaled up to 1: no time is heaped up at either
    end, and inside the range each is as likely, compared with the others, as without it.

    uniform: any level, from clean to noise, is as likely as the other.
    logit_normal: logit(level) ~ N(mean, std), eq. 19 of Esser et al. 2024 (arXiv 2403.03206).
    edm: ln(sigma / alpha) ~ N(mean, std), table 1 of Karras et al. 2022 (arXiv 2206.00364), at the path's nearest
    time. Pure noise is drawn only where the range holds nothing else.
    shift: level' = shift level / (1 + (shift - 1) level), eq. 23 of Esser et al., and by resolution the shift times
    sqrt(area_ratio). On the straight path that multiplies sigma / alpha by the shift, which is what edm does.
    """
    given = uniform.double()
    shift = torch.full_like(given, rule.shift)
    if rule.shift_by_resolution:
        shift = shift * area_ratio.to(given).sqrt()
    if rule.distribution == "edm":
        return _edm(given, rule, path=path, shift=shift)
    first, last = (_share_below(_unshifted(end / _NUM_TIMES, shift), rule) for end in (rule.min, rule.max))
    levels = _shifted(_level_of(first + given * (last - first), rule), shift)
    return path.at_level(levels.clamp(*_range(rule)))


def _range(rule: TimeRule) -> tuple[float, float]:
    return (rule.min + _EDGE) / _NUM_TIMES, (rule.max - _EDGE) / _NUM_TIMES


def _shifted(levels: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    return shift * levels / (1.0 + (shift - 1.0) * levels)


def _unshifted(level: float, shift: torch.Tensor) -> torch.Tensor:
    return (level / (shift - (shift - 1.0) * level)).clamp(max=1.0)


def _share_below(levels: torch.Tensor, rule: TimeRule) -> torch.Tensor:
    """How often a level before the shift is below these."""
    if rule.distribution == "uniform":
        return levels
    share: torch.Tensor = torch.special.ndtr((torch.special.logit(levels) - rule.mean) / rule.std)
    return share


def _level_of(shares: torch.Tensor, rule: TimeRule) -> torch.Tensor:
    """The levels that these shares of draws are below."""
    if rule.distribution == "uniform":
        return shares
    level: torch.Tensor = torch.special.expit(rule.mean + rule.std * _normal_of(shares))
    return level


def _normal_of(shares: torch.Tensor) -> torch.Tensor:
    value: torch.Tensor = torch.special.ndtri(shares.clamp(_SMALLEST, _LARGEST))
    return value


def _edm(uniform: torch.Tensor, rule: TimeRule, *, path: NoisePath, shift: torch.Tensor) -> torch.Tensor:
    mean = rule.mean + shift.log()
    ends = path.at_level(torch.tensor(_range(rule), dtype=torch.float64, device=uniform.device))
    alpha, sigma = path.coefficients(ends)
    low, high = ((sigma / alpha).log()).tolist()
    first, last = (torch.special.ndtr((end - mean) / rule.std) for end in (low, high))
    drawn = mean + rule.std * _normal_of(first + uniform * (last - first))
    found = path.at_sigma(drawn.clamp(max=math.log(_HIGHEST_SIGMA)).exp())
    return found.clamp(ends[0], ends[1])
