"""How the learning rate goes over a run: what it is multiplied by, as a function of the step alone.

Shapes and places are those of huggingface/transformers:src/transformers/optimization.py, where they exist: the first
step of a warm-up has rate 0, and the last step of a run is one short of the curve's end.
"""

from __future__ import annotations

import math

from trainer.run_sections import ScheduleConfig


def factor(step: int, total: int, rule: ScheduleConfig) -> float:
    """What the rate is multiplied by in the update that `step` updates came before; in [0, 1]."""
    warmup = warmup_steps(total, rule)
    if step < warmup:
        return step / warmup
    if rule.name == "constant":
        return 1.0
    share = min(1.0, (step - warmup) / max(1, total - warmup))
    return rule.end + (1.0 - rule.end) * _shape(share, rule)


def warmup_steps(total: int, rule: ScheduleConfig) -> int:
    """Steps of the warm-up; below 1 it is a share of all."""
    return int(rule.warmup * total if rule.warmup < 1 else rule.warmup)


def _shape(share: float, rule: ScheduleConfig) -> float:
    """From 1 at the share 0 to 0 at the share 1."""
    left = 1.0 - share
    if rule.name == "linear":
        return left
    if rule.name == "polynomial":
        return math.pow(left, rule.power)
    if rule.name == "rex":
        # Chen, Wolfe, Kyrillidis 2021, "REX: Revisiting Budgeted Training with an Improved Schedule", section 4.
        return left / (0.5 + 0.5 * left)
    if rule.name == "cosine_restarts" and share < 1.0:
        share = rule.cycles * share % 1.0
    return 0.5 * (1.0 + math.cos(math.pi * share))
