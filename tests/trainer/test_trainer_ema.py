"""The moving average against a loop in float64; pictures of it leave no trace."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
import torch

from trainer.contracts.adapter import Group
from trainer.errors import StateError
from trainer.updates.ema import Ema


@dataclass
class Weights:
    """Parameters alone, with what an average asks of an adapter."""

    parameters: Sequence[torch.nn.Parameter]

    def groups(self) -> Sequence[Group]:
        return [Group(f"unet.{number}", "weight", [one]) for number, one in enumerate(self.parameters)]

    def state(self) -> dict[str, torch.Tensor]:
        return {str(number): one.detach() for number, one in enumerate(self.parameters)}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        raise AssertionError("an average loads itself")

    def train(self, on: bool) -> None: ...

    def enable(self, on: bool) -> None: ...

    def merge(self) -> None: ...


def weights(dtype: torch.dtype = torch.float32) -> Weights:
    torch.manual_seed(0)
    return Weights([torch.nn.Parameter(torch.randn(shape).to(dtype)) for shape in ((5, 3), (7,), ())])


def wander(made: Weights, average: Ema, steps: Sequence[int]) -> None:
    for step in steps:
        torch.manual_seed(step)
        with torch.no_grad():
            for one in made.parameters:
                one.add_(torch.randn(one.shape).to(one.dtype), alpha=0.1)
        average.update(step)


@pytest.mark.parametrize("warmup", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_is_the_average_of_a_float64_loop(dtype: torch.dtype, warmup: bool) -> None:
    made = weights(dtype)
    average = Ema(made, 0.9, warmup)
    expected = [one.detach().double() for one in made.parameters]
    for step in range(1, 120):
        wander(made, average, [step])
        decay = min(0.9, (1 + step) / (10 + step)) if warmup else 0.9
        pairs = zip(expected, made.parameters, strict=True)
        expected = [decay * old + (1 - decay) * new.detach().double() for old, new in pairs]
    for name, one in average.state().items():
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), expected[int(name)], rtol=1e-5, atol=1e-6)


def test_a_warm_up_forgets_the_beginning() -> None:
    far = []
    for warmup in (False, True):
        made = Weights([torch.nn.Parameter(torch.full((4,), 100.0))])
        average = Ema(made, 0.9999, warmup)
        with torch.no_grad():
            made.parameters[0].zero_()
        for step in range(1, 101):
            average.update(step)
        far.append(float(average.state()["0"].abs().max()))
    assert far[0] > 98
    assert far[1] < 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_stands_in_for_the_weights_and_gives_them_back_bit_for_bit(dtype: torch.dtype) -> None:
    made = weights(dtype)
    average = Ema(made, 0.9, True)
    wander(made, average, range(1, 9))
    before = [one.detach().clone() for one in made.parameters]
    places = [one.data_ptr() for one in made.parameters]
    with contextlib.suppress(KeyError), average.applied():
        for one, mean in zip(made.parameters, average.state().values(), strict=True):
            assert torch.equal(one, mean.to(dtype))
        assert not torch.equal(made.parameters[0], before[0])
        raise KeyError  # whatever happens meanwhile
    assert all(torch.equal(one, old) for one, old in zip(made.parameters, before, strict=True))
    assert places == [one.data_ptr() for one in made.parameters]


def test_goes_on_where_it_was() -> None:
    whole = weights()
    average = Ema(whole, 0.95, True)
    wander(whole, average, range(1, 11))
    halves = weights()
    first = Ema(halves, 0.95, True)
    wander(halves, first, range(1, 6))
    kept = {name: one.clone() for name, one in first.state().items()}
    second = Ema(halves, 0.95, True)
    second.load(kept)
    wander(halves, second, range(6, 11))
    assert all(torch.equal(one, second.state()[name]) for name, one in average.state().items())


def test_refuses_the_average_of_another() -> None:
    average = Ema(weights(), 0.95, True)
    with pytest.raises(StateError, match="another adapter"):
        average.load({"0": torch.zeros(5, 3)})
