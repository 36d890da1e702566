"""The weights as an optimizer sees them: float32, whatever they are.

A bfloat16 weight has a stand-in of its shape that weighs nothing until it is updated: it then becomes a float32 copy,
the optimizer does with it what it does with any weight, and the result is rounded back by chance. Since the
optimizer never sees anything but the stand-in, whatever it remembers is float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trainer.updates.rounding import rounded

NUM_AT_ONCE = 1 << 24
"""Numbers of which float32 copies exist at the same time, unless a single weight has more: 64 MiB."""


@dataclass(frozen=True)
class Held:
    """A weight and what the optimizer takes for it."""

    real: torch.nn.Parameter
    seen: torch.nn.Parameter
    """The weight itself, or its stand-in."""
    number: int
    """Its place among all that are trained."""

    @property
    def is_copied(self) -> bool:
        """Whether there is a stand-in."""
        return self.real is not self.seen

    def lift(self, scale: float) -> None:
        """Makes the weight and its gradient, times `scale`, visible to the optimizer."""
        gradient = self.real.grad
        if not self.is_copied:
            if gradient is not None and scale != 1.0:
                gradient.mul_(scale)
            return
        _put(self.seen, piece(self.real).float())
        if gradient is not None:
            copy = gradient.float()
            self.seen.grad = copy if scale == 1.0 else copy.mul_(scale)
            self.real.grad = None

    def lower(self, generator: torch.Generator) -> None:
        """Takes over what the optimizer made of the copy; `generator` decides how it is rounded."""
        piece(self.real).copy_(rounded(piece(self.seen), generator))
        self.drop()

    def settle(self) -> None:
        """Takes over what the optimizer made of the copy, rounded to what is nearest."""
        if self.is_copied:
            piece(self.real).copy_(piece(self.seen))

    def drop(self) -> None:
        """Forgets the copy."""
        if self.is_copied:
            self.seen.grad = None
            _put(self.seen, _weightless(piece(self.real)))


@dataclass(frozen=True)
class Unit:
    """Weights that one optimizer updates at once."""

    optimizer: torch.optim.Optimizer
    held: tuple[Held, ...]
    rates: tuple[float, ...]
    """Of each of its groups, before the schedule."""


def hold(real: torch.nn.Parameter, number: int) -> Held:
    """The weight with a stand-in where it needs one."""
    if real.dtype != torch.bfloat16:
        return Held(real, real, number)
    seen = torch.nn.Parameter(real.detach().float())
    _put(seen, _weightless(piece(real)))
    return Held(real, seen, number)


def split(groups: Sequence[dict[str, Any]], *, limit: int) -> list[list[dict[str, Any]]]:
    """The groups in pieces of at most `limit` numbers, in their order; a single weight is never split."""
    pieces: list[list[dict[str, Any]]] = []
    size = limit
    for group in groups:
        is_new = True
        for parameter in group["params"]:
            if not pieces or size + parameter.numel() > limit:
                pieces.append([])
                size, is_new = 0, True
            if is_new:
                pieces[-1].append({**group, "params": []})
            pieces[-1][-1]["params"].append(parameter)
            size, is_new = size + parameter.numel(), False
    return pieces


def _weightless(like: torch.Tensor) -> torch.Tensor:
    """float32 zeros of this shape that are one number in memory."""
    return torch.zeros((), dtype=torch.float32, device=like.device).expand(like.shape)


def piece(tensor: torch.Tensor) -> torch.Tensor:
    """What this process has of the numbers: all of them, unless the network is shared out (torch's DTensor)."""
    found: torch.Tensor = getattr(tensor, "_local_tensor", tensor)
    return found.detach()


def _put(parameter: Any, numbers: torch.Tensor) -> None:
    """Makes these the parameter's numbers, as torch's own FSDP does with what is shared out."""
    if hasattr(parameter, "_local_tensor"):
        parameter._local_tensor = numbers
    else:
        parameter.data = numbers
