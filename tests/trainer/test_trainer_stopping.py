"""Runs that are stopped, killed or out of disk wherever it hurts, and what is there when they have gone on."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from trainer_sets import write_config, write_set

from trainer import plan, state
from trainer.errors import InterruptedRun, WriteError
from trainer.results import Result
from trainer.run import bake

TRAIN = "steps = 6\nsave_every = 2\nkeep_results = true"
REST = "[validation]\nsplit = 0.4\nevery = 1\ntimesteps = 2\n[schedule]\nname = 'cosine'\nwarmup = 0.5"
LOGS = ("loss.jsonl", "draws.jsonl", "validation.jsonl")


@dataclass
class Watcher:
    """A reporter that does something when a sentence or a number of steps comes by."""

    act: Callable[[], None] = lambda: None
    at_words: str = ""
    at_step: int = 0
    done: int = 0

    def note(self, text: str) -> None:
        if self.at_words and self.at_words in text:
            self.act()

    def begin(self, what: str, *, done: int, total: int) -> None:
        self.done = done if what == "baking" else -1000

    def advance(self, num: int = 1, *, loss: float | None = None) -> None:
        self.done += num
        if self.at_step and self.done == self.at_step:
            self.act()

    def end(self) -> None:
        pass


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def vanish() -> None:
    """Ends the run there and then, nothing is saved any more: as a second Ctrl-C does."""
    raise KeyboardInterrupt


def write(root: Path, out: str, *, train: str = TRAIN, rest: str = REST) -> Path:
    return write_config(root, out=out, train=train, rest=rest, sample='every = 3\nnegative = "bad"')


def go(path: Path, watcher: Watcher | None = None, *, restart: bool = False) -> Result:
    made = bake(plan.make(path), watcher or Watcher(), restart=restart)
    assert made is not None
    return made


def rows(folder: Path, name: str) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (folder / name).read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in found]


def files(folder: Path) -> set[str]:
    """All but the caches."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if path.parts[0] != "cache"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, and a run of it that was never stopped, in `whole`."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("stopping")
    write_set(root, sizes=[(64, 64)] * 4 + [(96, 48)], repeats=1, general="shuffle_caption = true")
    go(write(root, "whole"))
    return root


def same_as_whole(root: Path, out: str, result: Result) -> None:
    whole, other = root / "whole", root / out
    for name in LOGS:
        assert rows(other, name) == rows(whole, name), name
    assert files(other) == files(whole)
    for picture in whole.rglob("samples/**/*.png"):
        assert (other / picture.relative_to(whole)).read_bytes() == picture.read_bytes(), picture.name
    told = json.loads((whole / "result.json").read_text())
    for name in ("weights_sha256", "first_loss", "final_loss", "validation", "samples", "steps", "epochs"):
        assert json.loads((other / "result.json").read_text())[name] == told[name], name
    assert result.steps == 6


@pytest.mark.parametrize(
    ("out", "watcher"),
    [
        pytest.param("validating", Watcher(terminate, at_step=1), marks=pytest.mark.slow),
        ("sampling", Watcher(terminate, at_words="prompt at step 3")),
        pytest.param("before", Watcher(terminate, at_words="before the first step"), marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_what_is_looked_at_and_nothing_is_lost(out: str, watcher: Watcher, root: Path) -> None:
    path = write(root, out)
    with pytest.raises(InterruptedRun):
        go(path, watcher)
    step = {"validating": 1, "sampling": 3, "before": 0}[out]
    saved = state.latest(root / out / "checkpoints")
    assert (saved.progress.step if saved else 0) == step
    assert not (root / out / "samples" / f"step-{step:08d}").exists()
    result = go(path)
    (root / out / f"sks-step-{step:08d}.safetensors").unlink(missing_ok=step % 2 == 0)
    same_as_whole(root, out, result)


@pytest.mark.parametrize(
    ("words", "saved"),
    [
        ("saved {folder}/sks-step-00000002", 2),
        pytest.param("validation at step 3", 2, marks=pytest.mark.slow),
        # The last step is saved before it is looked at.
        pytest.param("validation at step 6", 6, marks=pytest.mark.slow),
        pytest.param("prompt at the end", 6, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_vanishes_leaves_no_gap_and_nothing_twice(words: str, saved: int, root: Path) -> None:
    out = words.replace(" ", "-").rpartition("/")[2]
    path = write(root, out)
    with pytest.raises(KeyboardInterrupt):
        go(path, Watcher(vanish, at_words=words.format(folder=root / out)))
    found = state.latest(root / out / "checkpoints")
    assert found is not None
    assert found.progress.step == saved
    same_as_whole(root, out, go(path))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.slow
def test_a_full_disk_ends_a_run_with_its_name_and_harms_nothing(root: Path) -> None:
    path = write(root, "full-disk")
    with pytest.raises(InterruptedRun):
        go(path, Watcher(terminate, at_step=2))
    size = max(file.stat().st_size for file in (root / "full-disk").rglob("*.safetensors"))
    with files_of_at_most(size - 1), pytest.raises(WriteError, match="step-0000000") as caught:
        go(path)
    assert "free space" in caught.value.hint
    assert not list((root / "full-disk").rglob(".*"))
    same_as_whole(root, "full-disk", go(path))


@pytest.mark.slow
def test_beginning_anew_leaves_nothing_of_before(root: Path) -> None:
    path = write(root, "anew")
    go(path)
    path = write(root, "anew", train="steps = 6\nsave_every = 4", rest="[optimizer]\nlearning_rate = 1e-3")
    with pytest.raises(InterruptedRun):
        go(path, Watcher(terminate, at_step=1), restart=True)
    left = files(root / "anew")
    assert {name for name in left if not name.startswith(("samples/step-00000000", "checkpoints/step-00000001"))} == {
        *LOGS,
        "samples/grid.png",
        "sks.safetensors",  # Until the new one is there.
    }
    assert [rows(root / "anew", name) for name in LOGS[2:]] == [[]]


def test_a_result_on_the_way_says_how_far_it_is(root: Path) -> None:
    with safe_open(root / "whole" / "sks-step-00000002.safetensors", framework="pt") as file:
        told = file.metadata()
    names = ("ss_steps", "ss_max_train_steps", "ss_epoch", "ss_num_epochs", "ss_lr_warmup_steps")
    # Three pictures are trained, two of them at once: two steps an epoch.
    assert [told[name] for name in names] == ["2", "6", "1", "3", "3"]


@pytest.mark.slow
def test_a_log_that_a_person_removed_is_no_error(root: Path) -> None:
    path = write(root, "whole")
    kept = {name: (root / "whole" / name).read_bytes() for name in LOGS}
    (root / "whole" / "loss.jsonl").unlink()
    try:
        assert go(path).final_loss > 0
    finally:
        for name, content in kept.items():
            (root / "whole" / name).write_bytes(content)


@pytest.mark.slow
def test_pictures_before_are_no_sheet_when_a_finetune_goes_on(root: Path) -> None:
    path = write_config(root, out="finetune", train="steps = 2", rest='[adapter]\nname = "full"')
    with pytest.raises(InterruptedRun):
        go(path, Watcher(terminate, at_step=1))
    assert go(path).samples == ()
    assert (root / "finetune" / "samples" / "before-after.png").is_file()
