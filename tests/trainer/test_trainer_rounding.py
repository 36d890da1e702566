"""bfloat16 weights that small updates move: right on average, the same each time, and no larger in memory."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from updater_material import TOTAL, backward, copies, equal, take, updater, weights

from trainer.run_sections import OptimizerConfig, ScheduleConfig
from trainer.updates import held
from trainer.updates.rounding import Dice, rounded
from trainer.updates.updater import Rounding, make

CPU = torch.device("cpu")


def dice(seed: int) -> torch.Generator:
    return Dice().seeded(CPU, seed)


@given(number=st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**100), max_value=2.0**100))
def test_is_one_of_the_two_neighbours(number: float) -> None:
    exact = torch.full((64,), number)
    found = {float(one) for one in rounded(exact, dice(1))}
    bits = exact[:1].view(torch.int32) & -65536
    low, high = (float((bits + step).view(torch.float32)) for step in (0, 65536))
    assert found <= ({low} if low == number else {low, high})


def test_is_right_on_average() -> None:
    num = 200_000
    for value in (1.0 + 2**-12, 1.0 + 2**-8 - 2**-11, -3.3, 1e-20, 0.3):
        found = rounded(torch.full((num,), value), dice(7)).double()
        exact = float(torch.tensor(value))
        gap = float(found.max() - found.min())
        assert gap > 0
        # Six deviations of a mean of `num` draws between two numbers.
        assert abs(float(found.mean()) - exact) < 6 * gap / 2 / math.sqrt(num)


def test_keeps_what_bfloat16_has_and_what_is_no_number() -> None:
    numbers = torch.cat([torch.randn(1000).bfloat16().float(), torch.tensor([math.inf, -math.inf, 0.0, -0.0])])
    assert torch.equal(rounded(numbers, dice(0)).float(), numbers)
    assert rounded(torch.tensor([math.nan]).view(torch.int32).bitwise_or(0xFFFF).view(torch.float32), dice(0)).isnan()


def test_the_layout_in_memory_decides_nothing() -> None:
    numbers = torch.randn(3, 5, 4, 4)
    turned = numbers.to(memory_format=torch.channels_last)
    assert torch.equal(rounded(numbers, dice(2)), rounded(turned, dice(2)))


def test_small_updates_move_weights_that_plain_rounding_leaves() -> None:
    torch.manual_seed(0)
    start = torch.rand(4096).add_(1.0)
    pull = torch.ones(4096)
    plain = torch.nn.Parameter(start.bfloat16())
    theirs = torch.optim.AdamW([plain], lr=1e-5, weight_decay=0.0)
    ours = torch.nn.Parameter(start.bfloat16())
    groups = [{"params": [ours], "lr": 1e-5, "weight_decay": 0.0, "name": "unet"}]
    made = make(groups, OptimizerConfig(), schedule=ScheduleConfig(), total=100, rounding=Rounding(False, 1))
    for step in range(100):
        plain.grad, ours.grad = pull.bfloat16(), pull.bfloat16()
        theirs.step()
        made.begin(step)
        made.update()
    before = start.bfloat16().double()
    assert torch.equal(plain.double(), before)
    moved = float((ours.detach().double() - before).mean())
    assert moved == pytest.approx(-100 * 1e-5, rel=0.2)


@pytest.mark.parametrize("name", ["adamw", "adafactor", "prodigy"])
def test_is_the_same_each_time_and_other_with_another_seed(name: str) -> None:
    runs = []
    for seed in (3, 3, 4):
        parameters = weights(torch.bfloat16)
        groups = [{"params": parameters, "lr": 0.1, "weight_decay": 0.0, "name": "unet"}]
        made = make(
            groups, OptimizerConfig(name), schedule=ScheduleConfig(), total=TOTAL, rounding=Rounding(False, seed)
        )
        take(made, parameters, range(5))
        runs.append(copies(parameters))
    assert equal(runs[0], runs[1])
    assert not equal(runs[0], runs[2])


def test_pieces_and_fused_are_what_all_at_once_is(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for limit, fused in ((1 << 24, False), (100, False), (1 << 24, True)):
        monkeypatch.setattr("trainer.updates.updater.NUM_AT_ONCE", limit)
        parameters = weights(torch.bfloat16)
        take(updater(parameters, fused=fused, max_grad_norm=0.0), parameters, range(5))
        runs.append(copies(parameters))
    assert equal(runs[0], runs[1])
    assert equal(runs[0], runs[2])


@pytest.mark.parametrize("fused", [False, True])
def test_copies_weigh_nothing_between_updates_and_memory_is_float32(fused: bool) -> None:
    parameters = weights(torch.bfloat16)
    made = updater(parameters, fused=fused)
    take(made, parameters, range(2))
    for one in made.held:
        assert one.seen.dtype == torch.float32
        assert one.seen.shape == one.real.shape
        assert one.seen.untyped_storage().nbytes() == 4
        assert one.seen.grad is None
    assert {one.dtype for one in made.state().tensors.values()} == {torch.float32}


def test_while_one_is_updated_the_others_have_no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = held.Held.lower

    def counting(self: held.Held, generator: torch.Generator) -> None:
        seen.append(sum(one.seen.untyped_storage().nbytes() > 4 for one in made.held))
        plain(self, generator)

    monkeypatch.setattr(held.Held, "lower", counting)
    parameters = weights(torch.bfloat16)
    made = updater(parameters, fused=True)
    made.begin(2)
    backward(parameters, 2)
    made.update()
    assert seen == [1, 1, 1, 1]


def test_weights_of_both_kinds_go_together() -> None:
    mixed, plain = weights(), weights()
    mixed[2] = torch.nn.Parameter(mixed[2].detach().bfloat16())
    lengths = take(updater(mixed, max_grad_norm=0.0), mixed, range(4))
    others = take(updater(plain, max_grad_norm=0.0), plain, range(4))
    assert lengths == pytest.approx(others, rel=1e-2)
    assert equal([mixed[0], mixed[1], mixed[3]], [plain[0], plain[1], plain[3]])
    assert mixed[2].dtype == torch.bfloat16
