"""Rate and momentum of each step in one cycle: as the rate rises the momentum falls, then the other way round.

Smith and Topin 2018 (arXiv 1708.07120); the same numbers as torch's OneCycleLR with two phases and cosines.
"""

from __future__ import annotations

import math

from trainer.autoencoder.sections import OptimizerConfig


def at(step: int, total: int, rule: OptimizerConfig) -> tuple[float, float]:
    """Learning rate and first beta of the update that `step` updates came before."""
    top, begin = rule.learning_rate, rule.learning_rate / rule.start_divisor
    high, low = rule.momentum_high, rule.momentum_low
    turn = rule.warmup * total - 1
    if step <= turn and turn > 0:
        share = step / turn
        return _cosine(begin, top, share), _cosine(high, low, share)
    share = (step - turn) / (total - 1 - turn) if total - 1 > turn else 1.0
    return _cosine(top, begin / rule.end_divisor, share), _cosine(low, high, share)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)
