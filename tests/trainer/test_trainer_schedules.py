"""The rate's schedule against formulas written anew, and against diffusers' own."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.run_sections import ScheduleConfig
from trainer.updates.schedules import factor, warmup_steps

NAMES = ("constant", "linear", "cosine", "cosine_restarts", "polynomial", "rex")
RULES = st.builds(
    ScheduleConfig,
    name=st.sampled_from(NAMES),
    warmup=st.one_of(st.floats(0, 0.9), st.integers(1, 50).map(float)),
    cycles=st.integers(1, 5),
    power=st.floats(0.5, 4),
    end=st.floats(0, 1),
)

FORMULAS: dict[str, Callable[[Fraction], float]] = {
    "constant": lambda t: 1.0,
    "linear": lambda t: float(1 - t),
    "cosine": lambda t: math.cos(math.pi * float(t) / 2) ** 2,
    "polynomial": lambda t: float((1 - t) ** 3),
    # Chen, Wolfe, Kyrillidis 2021, written out: (1 - t) / (1/2 + (1 - t) / 2)
    "rex": lambda t: float(2 * (1 - t) / (2 - t)),
    "cosine_restarts": lambda t: math.cos(math.pi * float(3 * t - math.floor(3 * t)) / 2) ** 2,
}


@pytest.mark.parametrize("end", [0.0, 0.25])
@pytest.mark.parametrize("name", NAMES)
def test_follows_its_formula(name: str, end: float) -> None:
    rule = ScheduleConfig(name, warmup=7, cycles=3, power=3.0, end=end)
    for step in range(7):
        assert factor(step, 100, rule) == step / 7
    for step in range(7, 100):
        shape = FORMULAS[name](Fraction(step - 7, 93))
        expected = 1.0 if name == "constant" else end + (1 - end) * shape
        assert factor(step, 100, rule) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("warmup", "total"), [(0, 40), (10, 40), (1, 3)])
def test_is_what_diffusers_does(warmup: int, total: int) -> None:
    from diffusers import optimization as peer

    made = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = {
        "constant": peer.get_constant_schedule_with_warmup(made, warmup),
        "linear": peer.get_linear_schedule_with_warmup(made, warmup, total),
        "cosine": peer.get_cosine_schedule_with_warmup(made, warmup, total),
        "cosine_restarts": peer.get_cosine_with_hard_restarts_schedule_with_warmup(made, warmup, total, num_cycles=3),
        "polynomial": peer.get_polynomial_decay_schedule_with_warmup(made, warmup, total, lr_end=0.1, power=2.0),
    }
    for name, one in theirs.items():
        rule = ScheduleConfig(name, warmup=warmup, cycles=3, power=2.0, end=0.1 if name == "polynomial" else 0.0)
        ours = [factor(step, total, rule) for step in range(total)]
        assert ours == pytest.approx([one.lr_lambdas[0](step) for step in range(total)], rel=1e-9, abs=1e-12)


@given(rule=RULES, total=st.integers(1, 300))
def test_stays_between_its_end_and_one(rule: ScheduleConfig, total: int) -> None:
    warmup = warmup_steps(total, rule)
    after = [factor(step, total, rule) for step in range(warmup, total)]
    assert all(rule.end - 1e-12 <= one <= 1.0 + 1e-12 for one in after)
    assert all(one > 0 for one in after)  # no step of no length, the last least of all
    if after:
        assert after[0] == pytest.approx(1.0)
    if rule.name != "cosine_restarts":
        assert all(later <= sooner + 1e-12 for sooner, later in pairwise(after))
    if rule.name != "constant":
        assert factor(max(total, warmup + 1), total, rule) == pytest.approx(rule.end)


def test_a_warm_up_below_one_is_a_share_of_all_steps() -> None:
    assert [warmup_steps(200, ScheduleConfig(warmup=one)) for one in (0.0, 0.1, 0.999, 1.0, 30.0)] == [
        0,
        20,
        199,
        1,
        30,
    ]


def test_a_warm_up_longer_than_the_run_is_all_there_is() -> None:
    rule = ScheduleConfig("cosine", warmup=50)
    assert [factor(step, 10, rule) for step in range(10)] == [step / 50 for step in range(10)]
