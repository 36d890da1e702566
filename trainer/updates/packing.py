"""An optimizer's memory as tensors and JSON, and back, exactly: numbers, None, lists, tuples, dicts, tensors within.

A tensor that two places share is kept once, and shared again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from trainer.errors import StateError

Packed = Any
"""JSON: plain values as they are; what JSON has not, as an object of one key that says what it is."""


class Unpackable(TypeError):  # noqa: N818 - said of a value, and never shown
    """The value is none of the kinds that can be kept."""


@dataclass(frozen=True)
class Packer:
    """Takes values apart; `tensors` gathers what they hold, as it is now, not copied."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)

    def pack(self, value: Any, name: str) -> Packed:
        """The value as JSON; `name` is what its tensors are called after. Raises Unpackable."""
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, torch.Tensor):
            return self._tensor(value, name)
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, dict):
            return {"dict": [[self.pack(key, name), self.pack(one, f"{name}.{key}")] for key, one in value.items()]}
        for kind in (list, tuple, deque):
            if isinstance(value, kind):
                return {kind.__name__: [self.pack(one, f"{name}.{place}") for place, one in enumerate(value)]}
        raise Unpackable(type(value).__name__)

    def _tensor(self, tensor: torch.Tensor, name: str) -> Packed:
        if id(tensor) not in self._names:
            self._names[id(tensor)] = name
            self.tensors[name] = tensor.detach()
        is_last = tensor.dim() == 4 and not tensor.is_contiguous()
        order = "channels_last" if is_last and tensor.is_contiguous(memory_format=torch.channels_last) else ""
        return {"tensor": self._names[id(tensor)], "moves": tensor.device.type != "cpu", "order": order}


@dataclass(frozen=True)
class Unpacker:
    """Puts values together again."""

    tensors: Mapping[str, torch.Tensor]
    device: torch.device
    """Where tensors go that were not in main memory."""
    _made: dict[str, torch.Tensor] = field(default_factory=dict)

    def unpack(self, packed: Packed) -> Any:
        """The value. Raises StateError where it is none, or a tensor is missing."""
        if not isinstance(packed, dict):
            return packed
        if "tensor" in packed:
            return self._tensor(packed)
        if len(packed) == 1:
            ((kind, value),) = packed.items()
            if kind == "float":
                return float(value)
            if kind == "dtype" and isinstance(getattr(torch, value, None), torch.dtype):
                return getattr(torch, value)
            if kind == "dict":
                return {self.unpack(key): self.unpack(one) for key, one in value}
            if kind in ("list", "tuple", "deque"):
                return {"list": list, "tuple": tuple, "deque": deque}[kind](self.unpack(one) for one in value)
        raise StateError(f"the checkpoint's optimizer holds {sorted(packed)}, which nothing is made of")

    def _tensor(self, packed: dict[str, Any]) -> torch.Tensor:
        name = packed["tensor"]
        if name not in self.tensors:
            raise StateError(f"the checkpoint's optimizer lacks the tensor {name}")
        if name not in self._made:
            layout = torch.channels_last if packed["order"] else torch.contiguous_format
            device = self.device if packed["moves"] else torch.device("cpu")
            # A copy: the optimizer will write into it.
            self._made[name] = self.tensors[name].to(device, copy=True).contiguous(memory_format=layout)
        return self._made[name]
