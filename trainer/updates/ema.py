"""A moving average of what is trained: steadier than the last step, and what becomes the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from trainer.contracts.adapter import Attached, parameters_of
from trainer.errors import StateError
from trainer.updates.held import piece


class Ema:
    """The average of an adapter's parameters, float32 and beside them; at first what they are when it is made."""

    def __init__(self, adapter: Attached, decay: float, warmup: bool) -> None:
        self._parameters = parameters_of(adapter)
        # As long as it grows, the beginning counts less.
        self._decay, self._warmup = decay, warmup
        self._average = [parameter.detach().to(torch.float32, copy=True) for parameter in self._parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after update number `step`, counted from 1."""
        decay = min(self._decay, (1 + step) / (10 + step)) if self._warmup else self._decay
        now = [parameter.detach().float() for parameter in self._parameters]
        torch._foreach_lerp_(self._average, now, 1.0 - decay)

    def state(self) -> dict[str, torch.Tensor]:
        """The average by the parameters' numbers; not copied."""
        return {str(number): tensor for number, tensor in enumerate(self._average)}

    @torch.no_grad()
    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over the tensors of `state`. Raises StateError where they are of another adapter."""
        shapes = {name: tensor.shape for name, tensor in self.state().items()}
        if {name: tensor.shape for name, tensor in state.items()} != shapes:
            raise StateError("the checkpoint's average is of another adapter", hint="begin anew with --restart")
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the average in place of what is trained, and at the end takes it back, bit for bit."""
        # In main memory: what a GPU has left belongs to whoever draws pictures meanwhile.
        kept = [piece(parameter).to("cpu", copy=True) for parameter in self._parameters]
        self._fill(self._average)
        try:
            yield
        finally:
            self._fill(kept)

    @torch.no_grad()
    def _fill(self, values: list[torch.Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            piece(parameter).copy_(piece(value))
