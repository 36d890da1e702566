"""What is stored otherwise computes the same: offloaded to the bit, float8 within its own error."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainer.memory import stored

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(32, 48), (3, 32)),
    "linear of words": (lambda: nn.Linear(32, 48), (2, 7, 32)),
    "linear without bias": (lambda: nn.Linear(32, 48, bias=False), (2, 7, 32)),
    "convolution": (lambda: nn.Conv2d(32, 16, 3, padding=1), (2, 32, 9, 5)),
    "1x1": (lambda: nn.Conv2d(32, 48, 1, bias=False), (2, 32, 4, 4)),
    "stride": (lambda: nn.Conv2d(32, 16, 3, stride=2, padding=1), (2, 32, 8, 8)),
    "groups": (lambda: nn.Conv2d(32, 32, 3, groups=2, dilation=2, padding=2), (2, 32, 8, 8)),
    "reflected": (lambda: nn.Conv2d(32, 16, 3, padding=1, padding_mode="reflect"), (2, 32, 6, 6)),
}


def layer_of(name: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(1)
    make, shape = LAYERS[name]
    return make().requires_grad_(False), torch.randn(shape)


def passed(layer: nn.Module, given: torch.Tensor, *, autocast: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """What it says, and the gradient of its input."""
    hidden = given.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16) if autocast else nullcontext():
        out = layer(hidden)
    (gradient,) = torch.autograd.grad(out.float().square().sum(), hidden)
    return out, gradient


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", ["float32", "bf16", "autocast"])
def test_a_weight_in_main_memory_changes_no_bit(name: str, kind: str) -> None:
    layer, given = layer_of(name)
    if kind == "bf16":
        layer, given = layer.to(torch.bfloat16), given.to(torch.bfloat16)
    expected = passed(layer, given, autocast=kind == "autocast")
    before = copy.deepcopy(layer.state_dict())
    stored.keep(layer, float8=False, away=True)
    assert not isinstance(getattr(layer, "weight"), nn.Parameter)  # noqa: B009 - a property now
    found = passed(layer, given, autocast=kind == "autocast")
    assert all(torch.equal(one, other) and one.dtype == other.dtype for one, other in zip(found, expected, strict=True))
    state = layer.state_dict()
    assert state.keys() == before.keys()
    stored.restore(layer)
    assert all(torch.equal(state[key], before[key]) for key in before)
    assert all(torch.equal(layer.state_dict()[key], before[key]) for key in before)
    assert type(layer) in {nn.Linear, nn.Conv2d}


@pytest.mark.parametrize("name", LAYERS)
def test_float8_computes_with_the_whole_weight(name: str) -> None:
    layer, given = layer_of(name)
    plain = copy.deepcopy(layer)
    stored.keep(layer, float8=True, away=False)
    plain.get_parameter("weight").copy_(stored.weight_of(layer))
    for autocast in (False, True):
        pairs = zip(passed(layer, given, autocast=autocast), passed(plain, given, autocast=autocast), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)


def test_float8_is_off_by_what_its_bits_allow() -> None:
    torch.manual_seed(2)
    wide = (
        torch.randn(64, 40, 3, 3, dtype=torch.float64)
        * torch.logspace(-12, 12, 64, dtype=torch.float64)[:, None, None, None]
    )
    wide[5] = 0.0
    weight = wide.float()
    store = stored.Store(weight, float8=True, away=False)
    assert store.numbers.dtype == torch.float8_e4m3fn
    assert store.scale is not None
    assert bool((torch.frexp(store.scale).mantissa == 0.5).all()), "a power of two"
    for dtype in (torch.float32, torch.bfloat16):
        found = store.whole(dtype).double()
        step = store.scale.double() * 2.0**-10
        assert bool(((found - weight.double()).abs() <= torch.maximum(weight.double().abs() * 2.0**-4, step)).all())
    assert torch.equal(store.whole(torch.float32), store.whole(torch.bfloat16).float())
    relative = (store.whole(torch.float32).double() - weight.double()).norm() / weight.double().norm()
    assert float(relative) < 0.03


def test_the_graph_holds_no_whole_weight() -> None:
    layers = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64)).requires_grad_(False)
    for layer in layers:
        stored.keep(layer, float8=True, away=True)
    held: list[int] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        held.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        out = layers(torch.randn(2, 64, requires_grad=True))
    assert not held
    out.sum().backward()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40), st.floats(0.0, 1.0))
def test_what_waits_is_spread_evenly(sizes: list[int], share: float) -> None:
    taken = stored.spread(sizes, share)
    so_far = wanted = 0.0
    for size, is_taken in zip(sizes, taken, strict=True):
        so_far, wanted = so_far + size * is_taken, wanted + size * share
        assert abs(so_far - wanted) <= max(sizes) / 2 + 1e-6
    assert all(stored.spread(sizes, 1.0))
    assert not any(stored.spread(sizes, 0.0))


def test_what_is_trained_or_narrow_is_not_kept() -> None:
    assert stored.can_keep(nn.Linear(32, 32).requires_grad_(False))
    assert not stored.can_keep(nn.Linear(32, 32))
    assert not stored.can_keep(nn.Conv2d(4, 32, 3).requires_grad_(False))
    assert not stored.can_keep(nn.Conv2d(32, 32, 3, padding="same").requires_grad_(False))
    assert not stored.can_keep(nn.Embedding(32, 32).requires_grad_(False))
