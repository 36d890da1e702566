"""Notices a run whose loss has left where it was, and stays away.

A single step tells nothing: its loss follows the noise levels that were drawn, and even means of 50 steps differ by a
factor of 5 over a long healthy run with one picture a step. So what is compared is calmer: the last two means of 50,
both, with the lowest mean of 500 steps before them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trainer.errors import DivergedError

BLOCK = 50
"""Steps of which a mean is taken."""
_LONG = 10
"""Blocks of the long mean that is the measure; as many as there are, at the beginning."""
_SHORT = 2
"""Blocks that must both be away; and those that the measure needs at least."""


class Watch:
    """Sees every step of a run; `limit` is how many times the lowest mean is too much, 0: never."""

    def __init__(self, limit: float, state: Mapping[str, Any] | None = None) -> None:
        """Goes on where `state` was taken; empty or None: at the beginning."""
        known = state or {}
        self.limit = limit
        self._block: list[float] = list(known.get("block", ()))
        self._means: list[float] = list(known.get("means", ()))
        self._lowest: float | None = known.get("lowest")

    def state(self) -> dict[str, Any]:
        """All that it remembers, as JSON has it, exact."""
        return {"block": list(self._block), "means": list(self._means), "lowest": self._lowest}

    def see(self, step: int, loss: float) -> None:
        """Takes in the loss of this step. Raises DivergedError, naming the step, what the loss was and what it is."""
        self._block.append(loss)
        if len(self._block) < BLOCK:
            return
        self._means = [*self._means, math.fsum(self._block) / BLOCK][-(_LONG + _SHORT) :]
        self._block = []
        before, now = self._means[:-_SHORT], min(self._means[-_SHORT:])
        if len(before) < _SHORT:
            return
        mean = math.fsum(before) / len(before)
        self._lowest = mean if self._lowest is None else min(self._lowest, mean)
        # A lowest of 0 is that of pictures whose weight is 0.
        if self.limit and self._lowest > 0.0 and now > self.limit * self._lowest:
            raise DivergedError(self._told(step, now), hint=_CURE)

    def _told(self, step: int, now: float) -> str:
        times = now / (self._lowest or now)
        return (
            f"the loss diverges at step {step}: its mean has been at least {now:.4g} for {_SHORT * BLOCK} steps, "
            f"{times:.1f} times the {self._lowest:.4g} that it once was (train.divergence is {self.limit:g})"
        )


_CURE = (
    "lower optimizer.learning_rate, or give it a warm-up with schedule.warmup, and begin anew with --restart; "
    "if it is meant to rise, set train.divergence higher, or to 0"
)
