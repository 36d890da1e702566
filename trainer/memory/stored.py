"""Frozen weights kept small or far off: as float8, in main memory, or both, and made whole where they are used.

A layer that is kept computes what it computed before. Its weight is brought to the device and to the type of its
input for each use, forward and once more backward, and forgotten in between: the graph holds what is stored alone.
Nothing flows into such a weight, only through it. Not for torch.compile.

float8 is e4m3fn (Micikevicius et al. 2022, arXiv 2209.05433): three bits of mantissa, so that a number is off by
2^-4 of itself at most, and those below 2^-6 by a step of 2^-10. Each output has a scale of its own, a power of two
that brings its largest number between 224 and 448, the format's largest; scaling is exact then, in every type.

O outputs, I inputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

FLOAT8 = torch.float8_e4m3fn
_LARGEST = torch.finfo(FLOAT8).max
_LOWEST_EXPONENT = -100
_NARROW = 16
"""Layers with fewer inputs or outputs, a network's first and last, stay as they are: they weigh nothing."""


class Store(nn.Module):
    """One weight [O, I, ...] as it is kept."""

    scale: torch.Tensor | None
    here: torch.Tensor

    def __init__(self, weight: torch.Tensor, *, float8: bool, away: bool) -> None:
        super().__init__()
        self.dtype = weight.dtype
        self.away = away
        numbers, scale = quantised(weight) if float8 else (weight.detach(), None)
        self.register_buffer("scale", scale, persistent=False)
        # Tells where the others of its layer lie.
        self.register_buffer("here", torch.empty(0, device=weight.device), persistent=False)
        self.numbers: torch.Tensor
        if away:
            # Neither a parameter nor a buffer: it stays where it is when the network moves.
            self.numbers = _in_main_memory(numbers)
        else:
            self.register_buffer("numbers", numbers, persistent=False)

    def whole(self, dtype: torch.dtype) -> torch.Tensor:
        """The weight where its layer lies."""
        numbers = self.numbers.to(self.here.device, non_blocking=True)
        if self.scale is None:
            return numbers.to(dtype)
        return numbers.to(dtype) * self.scale.to(dtype)


def _in_main_memory(numbers: torch.Tensor) -> torch.Tensor:
    # Pages that cannot be moved are what a GPU fetches by itself, while the CPU goes on.
    return numbers.cpu().pin_memory() if torch.cuda.is_available() else numbers.cpu()


def quantised(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """float8 numbers of the weight's shape, and what each output's are to be multiplied by, float32 [O, 1, ...]."""
    wide = weight.detach().float()
    largest = wide.flatten(1).abs().amax(dim=1)
    _, exponent = torch.frexp(largest / _LARGEST)
    scale = torch.ldexp(torch.ones_like(largest), exponent.clamp(min=_LOWEST_EXPONENT))
    scale = scale.reshape(-1, *[1] * (weight.dim() - 1))
    return (wide / scale).to(FLOAT8), scale


class StoredLinear(nn.Linear):
    """A linear layer whose weight is kept in `store`."""

    store: Store

    @property
    def weight(self) -> torch.Tensor:  # type: ignore[override]
        """The weight made whole, a new one each time."""
        return self.store.whole(self.store.dtype)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., I] to [..., O]."""
        dtype = _compute_dtype(hidden)
        out: torch.Tensor = _Linear.apply(hidden.to(dtype), _cast(self.bias, dtype), self.store)  # type: ignore[no-untyped-call]
        return out

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight


class StoredConv2d(nn.Conv2d):
    """A convolution whose weight is kept in `store`."""

    store: Store

    @property
    def weight(self) -> torch.Tensor:  # type: ignore[override]
        """The weight made whole, a new one each time."""
        return self.store.whole(self.store.dtype)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[B, I, h, w] to [B, O, h', w']."""
        dtype = _compute_dtype(hidden)
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            hidden = functional.pad(hidden, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0, 0)
        settings = (self.stride, padding, self.dilation, self.groups)
        out: torch.Tensor = _Conv2d.apply(hidden.to(dtype), _cast(self.bias, dtype), self.store, settings)  # type: ignore[no-untyped-call]
        return out

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight


Layer = nn.Linear | nn.Conv2d
_KEPT: dict[type, type] = {nn.Linear: StoredLinear, nn.Conv2d: StoredConv2d}
_PLAIN = {kept: plain for plain, kept in _KEPT.items()}


def can_keep(module: nn.Module) -> bool:
    """Whether it is a plain layer, nothing of it is trained, and it is not one of the small ones at the ends."""
    if type(module) not in _KEPT or any(parameter.requires_grad for parameter in module.parameters()):
        return False
    weight = module.get_parameter("weight")
    return min(weight.shape[:2]) >= _NARROW and not isinstance(getattr(module, "padding", None), str)


def keep(module: nn.Module, *, float8: bool, away: bool) -> None:
    """Stores the weight of a layer that `can_keep`, in place: whoever holds the layer goes on holding it."""
    store = Store(module.get_parameter("weight"), float8=float8, away=away)
    del module._parameters["weight"]
    module.__class__ = _KEPT[type(module)]
    module.add_module("store", store)


def restore(module: nn.Module) -> None:
    """Makes a layer's weight a plain parameter again, of the type that it had; of any layer."""
    if not isinstance(module, StoredLinear | StoredConv2d):
        return
    weight = module.weight.detach()
    module.__class__ = _PLAIN[type(module)]
    del module._modules["store"]
    module.register_parameter("weight", nn.Parameter(weight, requires_grad=False))


def is_kept(module: nn.Module) -> bool:
    """Whether its weight is stored."""
    return isinstance(module, StoredLinear | StoredConv2d)


def weight_of(module: nn.Module) -> torch.Tensor:
    """A layer's weight, made whole where it is stored; not to be changed."""
    if isinstance(module, StoredLinear | StoredConv2d):
        return module.weight
    return module.get_parameter("weight")


def shape_of(module: nn.Module) -> torch.Size:
    """The shape of a layer's weight, which is not made for it."""
    if isinstance(module, StoredLinear | StoredConv2d):
        return module.store.numbers.shape
    return module.get_parameter("weight").shape


def device_of(module: nn.Module) -> torch.device:
    """Where a layer computes."""
    if isinstance(module, StoredLinear | StoredConv2d):
        return module.store.here.device
    return module.get_parameter("weight").device


def spread(sizes: Iterable[int], share: float) -> list[bool]:
    """Which of these, in their order, make up `share` of their sum, evenly over the whole."""
    owed, found = 0.0, []
    for size in sizes:
        owed += size * share
        taken = share > 0 and owed >= size / 2
        owed -= size if taken else 0
        found.append(taken)
    return found


def _compute_dtype(hidden: torch.Tensor) -> torch.dtype:
    """What the layer computes in: autocast's choice, else its input's."""
    kind = hidden.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype


def _cast(bias: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    return None if bias is None else bias.to(dtype)


def _as_said(hidden: torch.Tensor) -> torch.autocast:
    """Everything has its type already."""
    return torch.autocast(hidden.device.type, enabled=False)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, bias: torch.Tensor | None, store: Store) -> torch.Tensor:
        ctx.store = store
        with _as_said(hidden):
            return functional.linear(hidden, store.whole(hidden.dtype), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (gradient,) = gradients
        with _as_said(gradient):
            return gradient @ ctx.store.whole(gradient.dtype), None, None


class _Conv2d(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, bias: torch.Tensor | None, store: Store, settings: tuple[Any, ...]
    ) -> torch.Tensor:
        ctx.store, ctx.settings, ctx.shape = store, settings, hidden.shape
        with _as_said(hidden):
            return functional.conv2d(hidden, store.whole(hidden.dtype), bias, *settings)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (gradient,) = gradients
        with _as_said(gradient):
            weight = ctx.store.whole(gradient.dtype)
            return conv2d_input(ctx.shape, weight, gradient, *ctx.settings), None, None, None  # type: ignore[no-untyped-call]
