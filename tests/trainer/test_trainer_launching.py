"""A run of two processes, as a person starts it: what one process would have come to, and ends that all can read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from trainer_sets import write_config, write_set

from trainer import plan
from trainer.losslog import read_rows
from trainer.progress import PlainReporter
from trainer.results import Result
from trainer.run import bake

pytestmark = pytest.mark.slow  # Each test starts processes, which import for ten seconds.

LORA = 'name = "lora"\nrank = 4\ntargets = "attention"\ndropout = 0.1'
LOOKS = "[validation]\nsplit = 0.3\nevery = 2\n[ema]\ndecay = 0.9\n"
SHARDED = "[memory]\nsharded = true\n"
COMMAND = [sys.executable, "-m", "trainer", "run"]


def config(root: Path, out: str, *, adapter: str = LORA, steps: int = 4, num: int = 1, rest: str = LOOKS) -> Path:
    """`num`: batches per step of one process."""
    train = f"steps = {steps}\nsave_every = 2\nkeep_results = true\nthreads = 1\ngradient_accumulation = {num}"
    adapter = f'dtype = "fp32"\n[adapter]\n{adapter}\n[optimizer]\nlearning_rate = 1e-3\n'
    return write_config(root, train=train, rest=adapter + rest, out=out, sample="every = 2")


def dataset(root: Path) -> None:
    write_set(root, general="shuffle_caption = true\nflip_aug = true")


def together(path: Path) -> subprocess.CompletedProcess[str]:
    """The run, by two processes."""
    return subprocess.run([*COMMAND, str(path), "--processes", "2"], capture_output=True, text=True, timeout=300)


def alone(path: Path) -> Result:
    torch.set_num_threads(1)
    result = bake(plan.make(path), PlainReporter(lambda text: None))
    assert result is not None
    return result


def result_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def files(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "cache" not in path.parts}


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_rows(folder / "loss.jsonl")]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("launching")
    dataset(root)
    return root


@pytest.fixture(scope="module")
def done(root: Path) -> subprocess.CompletedProcess[str]:
    """Four steps of two processes, a batch each, in `two`; and of one, two batches each, in `one`."""
    done = together(config(root, "two"))
    assert done.returncode == 0, done.stderr
    alone(config(root, "one", num=2))
    return done


def test_two_processes_are_one_with_twice_the_batches(root: Path, done: subprocess.CompletedProcess[str]) -> None:
    two, one = result_of(root / "two"), result_of(root / "one")
    assert (two["processes"], one["processes"]) == (2, 1)
    # Of two batches a sum is the same in either order.
    assert losses(root / "two") == losses(root / "one")
    for name in ("weights_sha256", "validation", "steps", "epochs", "final_loss"):
        assert two[name] == one[name]
    for name in ("draws.jsonl", "samples/grid.png", "samples/before-after.png"):
        assert (root / "two" / name).read_bytes() == (root / "one" / name).read_bytes()


def test_one_speaks_and_writes(root: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("baking 4/4")]) == 1
    assert len([line for line in lines if line.startswith("baked 4 steps")]) == 1
    assert files(root / "two") == files(root / "one")
    assert "sks-step-00000002.safetensors" in files(root / "two")


def test_one_process_goes_on_where_two_stopped(root: Path, done: subprocess.CompletedProcess[str]) -> None:
    before = result_of(root / "two")["weights_sha256"]
    two, one = (alone(config(root, name, num=2, steps=6)) for name in ("two", "one"))
    assert two.weights_sha256 == one.weights_sha256 != before
    assert losses(root / "two") == losses(root / "one")
    assert len(losses(root / "two")) == 6


@pytest.mark.parametrize("optimizer", ["adamw", "schedulefree_adamw"])
def test_pieces_come_to_what_one_process_comes_to(optimizer: str, tmp_path: Path) -> None:
    dataset(tmp_path)
    looks = LOOKS.partition("[ema]")[0] if optimizer.startswith("schedulefree") else LOOKS
    rest = f'name = "{optimizer}"\n{looks}'
    done = together(config(tmp_path, "two", adapter='name = "full"', rest=rest + SHARDED))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    alone(config(tmp_path, "one", adapter='name = "full"', num=2, rest=rest))
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    names = [name for name in files(tmp_path / "one") if name.endswith(".safetensors") and "optimizer" not in name]
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert len(names) > 4
    for name in names:
        two, one = load_file(tmp_path / "two" / name), load_file(tmp_path / "one" / name)
        assert two.keys() == one.keys()
        for key in one:
            torch.testing.assert_close(two[key], one[key], atol=1e-4, rtol=0)


def started(path: Path, log: Path, *, steps: int) -> subprocess.Popen[str]:
    """A run of two processes that has done `steps` steps."""
    command = [*COMMAND, str(path), "--processes", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if len(read_rows(log)) >= steps:
            return process
        time.sleep(0.05)
    pytest.fail(f"no {steps} steps: {process.communicate()}")


def kill(process: subprocess.Popen[str], rank: int) -> None:
    """Ends a process of that run, in the way that nobody can answer."""
    wanted = {f"RANK={rank}", f"TRAINER_LAUNCHER={process.pid}"}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            own = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if wanted <= set(own):
            os.kill(int(folder.name), signal.SIGKILL)
            return
    pytest.fail(f"no process of rank {rank}")


ENDS: dict[str, tuple[Callable[[subprocess.Popen[str]], None], int, str]] = {
    "terminated": (lambda process: process.terminate(), 130, "a checkpoint is saved"),
    "first killed": (lambda process: kill(process, 0), 13, "process 0 of 2 was killed"),
    "second killed": (lambda process: kill(process, 1), 13, "process 1 of 2 was killed"),
}


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to find the processes")
@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_whatever_ends_it_it_goes_on_to_the_same_bits(adapter: str, tmp_path: Path) -> None:
    dataset(tmp_path)
    given: dict[str, Any] = {"steps": 20}
    if adapter == "full":
        given |= {"adapter": 'name = "full"', "rest": LOOKS + SHARDED}
    assert together(config(tmp_path, "whole", **given)).returncode == 0
    path, folder = config(tmp_path, "parts", **given), tmp_path / "parts"
    for place, name in enumerate(ENDS):
        end, code, message = ENDS[name]
        process = started(path, folder / "loss.jsonl", steps=3 + 4 * place)
        end(process)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == code, (name, stderr)
        assert message in stderr
        assert "Traceback" not in stderr
    again = together(path)
    assert again.returncode == 0, again.stderr
    assert "going on from step" in again.stdout
    assert losses(folder) == losses(tmp_path / "whole")
    assert result_of(folder)["weights_sha256"] == result_of(tmp_path / "whole")["weights_sha256"]
    assert result_of(folder)["validation"] == result_of(tmp_path / "whole")["validation"]


def test_who_is_launched_by_another_launcher_starts_no_more(tmp_path: Path) -> None:
    dataset(tmp_path)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--module"]
    words = [*launcher, "trainer", "run", str(config(tmp_path, "two")), "--processes", "2"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert result_of(tmp_path / "two")["processes"] == 2


def test_a_failure_of_the_second_process_is_told_and_kept_as_the_code(tmp_path: Path) -> None:
    dataset(tmp_path)
    path = config(tmp_path, "two", rest="")
    for number in range(5):
        picture = tmp_path / "girl" / f"{number:02}.png"
        data = picture.read_bytes()
        picture.write_bytes(data[: len(data) // 2])
    done = together(path)
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stderr
    assert ".png" in done.stderr
