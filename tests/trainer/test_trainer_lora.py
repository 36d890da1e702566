"""LoRA's identities, on every adapter: nothing at the start, merged equals wrapped, state comes back."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from trainer.contracts import Adapter, AdapterSettings, Attached
from trainer.errors import ConfigError, LoraFileError
from trainer.registry import ADAPTERS

PATTERNS = (r"net\.inner\.\d", r"net\.last")


class Net(nn.Module):
    """Three linear layers, one of them nested."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.Sequential(nn.Linear(6, 10), nn.Linear(10, 8, bias=False))
        self.last = nn.Linear(8, 4)
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.inner(x)))


@pytest.fixture(params=ADAPTERS.names())
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return ADAPTERS.load(request.param, field="adapter.name")


def attached(adapter: Adapter, net: nn.Module, *, rank: int = 3, seed: int = 1) -> Attached:
    return adapter.attach({"net": net}, PATTERNS, settings=AdapterSettings(rank, 1.5, seed))


def train_a_little(net: nn.Module, attached_adapter: Attached) -> None:
    optimizer = torch.optim.SGD(list(attached_adapter.parameters()), lr=0.5)
    for _ in range(5):
        net(torch.ones(2, 6)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()


X = torch.linspace(-1, 1, 30).reshape(5, 6)


def test_a_fresh_adapter_changes_no_bit(adapter: Adapter) -> None:
    net = Net()
    before = net(X)
    attached(adapter, net)
    assert torch.equal(net(X), before)


def test_training_changes_the_output_and_not_the_base(adapter: Adapter) -> None:
    net = Net()
    before, weights = net(X), copy.deepcopy(net.state_dict())
    net.requires_grad_(False)
    hung = attached(adapter, net)
    train_a_little(net, hung)
    assert not torch.equal(net(X), before)
    hung.enable(False)
    assert torch.equal(net(X), before)
    assert torch.equal(net.last.base.weight, weights["last.weight"])


def test_merged_equals_wrapped(adapter: Adapter) -> None:
    net = Net()
    net.requires_grad_(False)
    hung = attached(adapter, net)
    train_a_little(net, hung)
    wrapped = net(X)
    hung.merge()
    assert isinstance(net.last, nn.Linear)
    torch.testing.assert_close(net(X), wrapped, rtol=1e-5, atol=1e-6)


def test_the_state_comes_back(adapter: Adapter) -> None:
    one, two = Net(), Net()
    first, second = attached(adapter, one), attached(adapter, two, seed=2)
    train_a_little(one, first)
    assert not torch.equal(one(X), two(X))
    second.load(first.state())
    assert torch.equal(one(X), two(X))


def test_the_seed_decides_the_start_whatever_the_order(adapter: Adapter) -> None:
    one, two = attached(adapter, Net()).state(), attached(adapter, Net()).state()
    other = attached(adapter, Net(), seed=2).state()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_the_delta_is_the_formula() -> None:
    net = Net()
    hung = attached(ADAPTERS.load("lora", field=""), net)
    state = {name: torch.randn_like(value) if value.dim() else value for name, value in hung.state().items()}
    hung.load(state)
    down, up = state["net.last.lora_down.weight"], state["net.last.lora_up.weight"]
    hidden = torch.randn(7, 8)
    expected = net.last.base(hidden) + 1.5 / 3 * hidden @ down.T @ up.T
    torch.testing.assert_close(net.last(hidden), expected)


def test_targets_that_match_nothing_or_no_linear_layer(adapter: Adapter) -> None:
    for pattern, word in ((r"net\.lats", "matches no module"), (r"net\.conv", "not a linear layer"), ("(", "regular")):
        with pytest.raises(ConfigError, match=word):
            adapter.attach({"net": Net()}, (pattern,), settings=AdapterSettings(2, 2.0, 0))


def test_a_state_of_another_shape_is_refused(adapter: Adapter) -> None:
    small, large = attached(adapter, Net(), rank=2), attached(adapter, Net(), rank=3)
    with pytest.raises(LoraFileError, match="expected"):
        large.load(small.state())
    with pytest.raises(LoraFileError, match="lacks"):
        large.load({})
    with pytest.raises(LoraFileError, match="no place"):
        large.load({**large.state(), "net.x.alpha": torch.tensor(1.0)})
