"""The watch on the loss: silent in healthy runs, however noisy; loud where the loss leaves; exact over a stop."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.errors import DivergedError
from trainer.watching import BLOCK, Watch

LIMIT = 4.0
PLACES = [0, 50, 100, 200, 350, 500, 700, 999]
ERRORS = [0.95, 0.6, 0.42, 0.25, 0.12, 0.06, 0.02, 0.003]
"""An epsilon loss by timestep, as it is for SD 1.5: a factor of 300 between the ends."""


def healthy(seed: int, num: int, *, spread: float = 0.35, end: float = 1.0, heavy: float = 1.0) -> np.ndarray:
    """Losses of steps of one picture: a level each, a loss that ends at `end` of the first, one picture of 20 heavy."""
    rng = np.random.default_rng(seed)
    errors = np.exp(np.interp(rng.integers(0, 1000, num), PLACES, np.log(ERRORS)) + spread * rng.standard_normal(num))
    weights = np.where(rng.integers(0, 20, num) == 0, heavy, 1.0)
    return errors * weights * np.geomspace(1.0, end, num)


def first_alarm(losses: np.ndarray, limit: float = LIMIT) -> int | None:
    watch = Watch(limit)
    for step, loss in enumerate(losses.tolist(), start=1):
        try:
            watch.see(step, loss)
        except DivergedError:
            return step
    return None


@pytest.mark.parametrize(
    "kind",
    [{}, {"spread": 0.7}, {"end": 0.3}, {"heavy": 5.0}, {"end": 1.5}],
    ids=["plain", "wide", "learns", "heavy", "up"],
)
def test_a_healthy_run_is_never_stopped(kind: dict[str, float]) -> None:
    assert [first_alarm(healthy(seed, 10_000, **kind)) for seed in range(12)] == [None] * 12


def test_means_of_fifty_steps_alone_would_stop_healthy_runs() -> None:
    """Why the watch compares what it compares."""
    stopped = 0
    for seed in range(12):
        sums = np.cumsum(np.concatenate([[0.0], healthy(seed, 10_000)]))
        means = (sums[BLOCK:] - sums[:-BLOCK]) / BLOCK
        stopped += bool((means > LIMIT * np.minimum.accumulate(means)).any())
    assert stopped > 3


@pytest.mark.parametrize("start", [300, 2_000, 5_017])
@pytest.mark.parametrize("to", [1.0, 30.0])
def test_a_run_that_leaves_is_stopped_within_three_blocks(start: int, to: float) -> None:
    for seed in range(6):
        losses = healthy(seed, start + 400)
        losses[start:] = to * (1.0 + 0.1 * np.abs(np.random.default_rng(seed).standard_normal(400)))
        found = first_alarm(losses)
        assert found is not None
        assert start < found <= start + 3 * BLOCK


def test_a_slow_rise_is_noticed() -> None:
    losses = healthy(0, 6_000)
    losses[2_000:] *= np.geomspace(1.0, 30.0, 4_000)
    assert first_alarm(losses) is not None


def test_one_bad_block_is_forgiven() -> None:
    losses = healthy(0, 1_000)
    losses[500:550] = 3.0
    assert first_alarm(losses) is None


def test_the_message_names_the_step_the_numbers_and_the_cure() -> None:
    watch = Watch(LIMIT)
    for step in range(1, 400):
        watch.see(step, 0.1 if step <= 300 else 0.5)
    with pytest.raises(DivergedError) as caught:
        watch.see(400, 0.5)
    assert caught.value.message == (
        "the loss diverges at step 400: its mean has been at least 0.5 for 100 steps, "
        "5.0 times the 0.1 that it once was (train.divergence is 4)"
    )
    for word in ("optimizer.learning_rate", "schedule.warmup", "--restart", "train.divergence"):
        assert word in caught.value.hint


@pytest.mark.parametrize("losses", [np.full(400, 0.0), np.concatenate([np.zeros(300), np.ones(600)])])
def test_pictures_without_weight_alarm_nobody(losses: np.ndarray) -> None:
    assert first_alarm(losses) is None


def test_zero_never_stops() -> None:
    assert first_alarm(np.geomspace(1e-3, 1e6, 3_000), limit=0.0) is None


@settings(max_examples=30, deadline=None)
@given(stops=st.lists(st.integers(1, 699), max_size=5), seed=st.integers(0, 99), leaves=st.integers(150, 700))
def test_stopped_and_gone_on_is_the_same(stops: list[int], seed: int, leaves: int) -> None:
    losses = healthy(seed, 900)
    losses[leaves:] *= 20.0
    whole, halves = Watch(LIMIT), Watch(LIMIT, {})
    for step, loss in enumerate(losses.tolist(), start=1):
        if step in stops:
            halves = Watch(LIMIT, json.loads(json.dumps(halves.state())))
        told = []
        for watch in (whole, halves):
            try:
                watch.see(step, loss)
            except DivergedError as error:
                told.append(error.message)
        assert whole.state() == halves.state()
        assert told in ([], [told[0]] * 2 if told else [])
        if told:
            return
