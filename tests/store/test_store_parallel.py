"""Work spread over threads and processes: in order, complete, and with its errors."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from datakit.errors import InputError
from datakit.store import parallel
from datakit.store.parallel import spread_forked

needs_fork = pytest.mark.skipif(parallel.NUM_PROCESSES < 2, reason="one core, or no fork here")


@pytest.fixture(autouse=True)
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(os, "fork"):
        monkeypatch.setattr(parallel, "NUM_PROCESSES", 2)


def no_child_is_left() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return True


@pytest.mark.parametrize("number", [0, 1, 5, 1000])
@pytest.mark.parametrize("batch", [1, 64])
def test_results_come_in_order(number: int, batch: int) -> None:
    rows = list(range(number))
    assert list(spread_forked(lambda one: one * one, rows, at_least=1, batch=batch)) == [one * one for one in rows]
    assert no_child_is_left()


@needs_fork
def test_the_work_is_done_in_other_processes() -> None:
    found = set(spread_forked(lambda _: (time.sleep(0.01), os.getpid())[1], range(20), at_least=1, batch=1))
    assert os.getpid() not in found
    assert len(found) == 2
    assert set(spread_forked(lambda _: os.getpid(), range(20), at_least=21)) == {os.getpid()}


def test_results_larger_than_a_pipe_and_more_rows_than_tickets() -> None:
    assert [len(one) for one in spread_forked(lambda one: b"x" * one, [10, 3_000_000, 7], at_least=1, batch=1)] == [
        10, 3_000_000, 7,
    ]  # fmt: skip
    rows = range(parallel._MOST_TICKETS * 2 + 3)
    assert list(spread_forked(lambda one: one, rows, at_least=1, batch=1)) == list(rows)


def test_an_error_keeps_its_words() -> None:
    def fail(one: int) -> int:
        if one == 7:
            raise InputError(f"{one}: cannot be read", hint="look at it")
        return one

    with pytest.raises(InputError, match="7: cannot be read") as caught:
        list(spread_forked(fail, range(100), at_least=1, batch=4))
    assert caught.value.hint == "look at it"
    assert no_child_is_left()

    def full(one: int) -> int:
        raise OSError(28, os.strerror(28), f"file-{one}")

    with pytest.raises(OSError, match="file-") as no_space:
        list(spread_forked(full, range(4), at_least=1, batch=1))
    assert no_space.value.errno == 28


@needs_fork
def test_a_process_that_is_killed_is_an_error_and_no_hang(tmp_path: Path) -> None:
    def work(one: int) -> int:
        if one == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return one

    with pytest.raises(ChildProcessError, match="killed"):
        list(spread_forked(work, range(50), at_least=1, batch=1))
    assert no_child_is_left()


@needs_fork
def test_who_stops_early_leaves_nobody_at_work(tmp_path: Path) -> None:
    def work(one: int) -> int:
        time.sleep(0.002)
        (tmp_path / str(one)).touch()
        return one

    running = spread_forked(work, range(2000), at_least=1, batch=1)
    assert next(running) == 0
    running.close()  # type: ignore[attr-defined]
    assert no_child_is_left()
    written = len(list(tmp_path.iterdir()))
    assert written < 2000
    time.sleep(0.05)
    assert len(list(tmp_path.iterdir())) == written
