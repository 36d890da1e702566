"""Updates are what torch does by hand, whole or fused; and stopped and gone on is never stopped, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from test_trainer_optimizers import needs
from updater_material import SCHEDULE, TOTAL, backward, copies, equal, groups_of, take, updater, weights

from trainer import state
from trainer.errors import StateError
from trainer.run_sections import ScheduleConfig
from trainer.updates import table
from trainer.updates.schedules import factor
from trainer.updates.updater import Saved

# bitsandbytes says so on a CPU; what it does there is what it does on a GPU.
pytestmark = pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def by_hand(parameters: Sequence[torch.nn.Parameter], *, limit: float) -> list[float]:
    """AdamW as a loop of torch's own."""
    groups = groups_of(parameters)
    rates = [group["lr"] for group in groups]
    optimizer = torch.optim.AdamW(groups, fused=True)
    lengths = []
    for step in range(6):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor(step, TOTAL, SCHEDULE)
        backward(parameters, step)
        lengths.append(float(torch.nn.utils.clip_grad_norm_(parameters, limit)))
        optimizer.step()
        optimizer.zero_grad()
    return lengths


@pytest.mark.parametrize("limit", [0.0, 1.0, 1e9])
def test_is_torch_by_hand(limit: float) -> None:
    ours, theirs = weights(), weights()
    lengths = take(updater(ours, max_grad_norm=limit), ours, range(6))
    assert lengths == by_hand(theirs, limit=limit or math.inf)
    assert equal(ours, theirs)


def test_fused_is_the_same_without_clipping() -> None:
    ours, theirs = weights(), weights()
    made = updater(ours, fused=True)
    made.begin(0)
    backward(ours, 0)
    assert all(one.grad is None for one in ours)  # before any update was asked for
    made.update()
    for step in range(1, 6):
        take(made, ours, [step])
    lengths = by_hand(theirs, limit=math.inf)
    assert equal(ours, theirs)
    again = weights()
    assert take(updater(again, fused=True), again, range(6)) == pytest.approx(lengths, rel=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gradient_that_is_no_number_updates_nothing(dtype: str, bad: float) -> None:
    parameters = weights(DTYPES[dtype])
    made = updater(parameters)
    take(made, parameters, range(3))
    before = copies(parameters)
    remembered = {name: one.clone() for name, one in made.state().tensors.items()}
    made.begin(3)
    backward(parameters, 3)
    parameters[1].grad[2] = bad
    assert not math.isfinite(made.update())
    assert equal(parameters, before)
    assert all(one.grad is None for one in parameters)
    assert equal(list(made.state().tensors.values()), list(remembered.values()))


def test_weights_without_a_gradient_stay() -> None:
    parameters = weights()
    before = copies(parameters)
    made = updater(parameters)
    made.begin(2)
    parameters[0].square().sum().backward()
    made.update()
    assert [torch.equal(one, old) for one, old in zip(parameters, before, strict=True)] == [False, True, True, True]
    assert made.update() == 0.0


def test_the_rate_is_that_of_the_first_group() -> None:
    made = updater(weights(), schedule=ScheduleConfig("linear", warmup=2))
    rates = []
    for step in range(8):
        made.begin(step)
        rates.append(made.rate())
    assert rates == pytest.approx([0, 0.5e-4, *(1e-4 * left / 6 for left in range(6, 0, -1))])


def test_prodigys_rate_is_the_one_it_found() -> None:
    parameters = weights()
    made = updater(parameters, "prodigy", schedule=ScheduleConfig(), arguments={})
    made.begin(0)
    assert made.rate() == 1e-6
    for _ in range(60):
        for one in parameters:
            one.grad = torch.ones_like(one)  # the same way each time: further than it thought
        made.update()
    assert made.rate() == made.state().numbers["groups"][0][0]["d"] > 1e-5


def test_schedule_free_shows_its_average_and_takes_it_back() -> None:
    for dtype in DTYPES.values():
        parameters, undisturbed = weights(dtype), weights(dtype)
        made = updater(parameters, "schedulefree_adamw", rate=0.1)
        other = updater(undisturbed, "schedulefree_adamw", rate=0.1)
        for step in range(6):
            take(made, parameters, [step])
            take(other, undisturbed, [step])
            before = copies(parameters)
            made.ready(False)
            made.ready(False)
            assert torch.equal(parameters[2], before[2]) == (step < 2)  # nothing moves before the rate is above 0
            with pytest.raises(RuntimeError):
                made.state()
            made.ready(True)
            made.ready(True)
            assert equal(parameters, before)
        assert equal(parameters, undisturbed)


def test_ready_is_nothing_to_others() -> None:
    parameters = weights()
    made = updater(parameters)
    take(made, parameters, range(3))
    before = copies(parameters)
    made.ready(False)
    assert equal(parameters, before)
    made.state()


def kept(folder: Path, saved: Saved, parameters: Sequence[torch.nn.Parameter]) -> state.Checkpoint:
    """What a checkpoint on the disk makes of it."""
    adapter = {str(number): one for number, one in enumerate(parameters)}
    progress = state.Progress(3, (1.0, 0.5), 2.0, {"seed": 1}, {"means": [1.5, None]})
    state.save(folder, progress, {"adapter": adapter, "optimizer": saved.tensors}, saved.numbers)
    found = state.latest(folder)
    assert found is not None
    assert found.progress == progress
    return found


def resumes(name: str, dtype: torch.dtype, *, fused: bool, folder: Path, channels_last: bool = False) -> None:
    whole, first, second = (weights(dtype, channels_last=channels_last) for _ in range(3))
    made = updater(whole, name, fused=fused)
    lengths = take(made, whole, range(6))
    began = updater(first, name, fused=fused)
    take(began, first, range(3))
    found = kept(folder, began.state(), first)
    with torch.no_grad():
        for number, one in enumerate(second):
            one.copy_(found.tensors["adapter"][str(number)])
    gone_on = updater(second, name, fused=fused)
    gone_on.load(Saved(found.tensors["optimizer"], found.numbers))
    assert take(gone_on, second, range(3, 6)) == lengths[3:]
    assert equal(whole, second)
    one, other = made.state(), gone_on.state()
    assert one.numbers == other.numbers
    assert one.tensors.keys() == other.tensors.keys()
    assert equal(list(one.tensors.values()), list(other.tensors.values()))
    assert not torch.equal(first[2], second[2])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*table.NAMES, "SOAP", "MADGRAD", "torch.optim.RAdam"])
def test_six_steps_are_three_and_three_bitwise(name: str, dtype: str, tmp_path: Path) -> None:
    if name in table.NAMES:
        needs(name)
    resumes(name, DTYPES[dtype], fused=False, folder=tmp_path)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name, known in table.NAMES.items() if not known.whole])
def test_six_steps_are_three_and_three_bitwise_when_fused(name: str, dtype: str, tmp_path: Path) -> None:
    needs(name)
    resumes(name, DTYPES[dtype], fused=True, folder=tmp_path)


def test_layouts_in_memory_are_kept(tmp_path: Path) -> None:
    resumes("adafactor", torch.float32, fused=False, folder=tmp_path, channels_last=True)
    parameters = weights(channels_last=True)
    made = updater(parameters)
    take(made, parameters, range(2))
    saved, again = made.state(), updater(weights(channels_last=True))
    found = kept(tmp_path / "adamw", saved, parameters)
    again.load(Saved(found.tensors["optimizer"], found.numbers))
    moment = again.state().tensors["3.exp_avg"]
    assert moment.stride() == saved.tensors["3.exp_avg"].stride() == parameters[3].stride()


def test_refuses_the_state_of_another() -> None:
    parameters = weights()
    made = updater(parameters)
    take(made, parameters, range(2))
    saved = made.state()
    with pytest.raises(StateError, match="over other weights"):
        updater(weights(), fused=True).load(saved)
    with pytest.raises(StateError, match=r"lacks the tensor 0\."):
        updater(weights()).load(Saved({}, saved.numbers))


def test_refuses_to_keep_what_is_no_number() -> None:
    parameters = weights()
    made = updater(parameters, "Conda")
    take(made, parameters, range(2))
    with pytest.raises(StateError, match="GaLoreProjector, which no checkpoint can hold"):
        made.state()
