"""Logs read back: lines cut when a run goes on, event files by TensorBoard's own reader, a library that is missing."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from trainer_sets import write_config, write_set

from trainer import logs, plan
from trainer.errors import MissingExtraError, WriteError
from trainer.logs.tensorboard import TensorBoard
from trainer.losslog import LossLog, read_rows


def write(folder: Path, steps: range, *, after: int, factor: float = 1.0) -> None:
    """A sitting that goes on after a step."""
    sink = TensorBoard(folder, step=after)
    if not after:
        sink.numbers(0, {"validation/held_out": 0.5})
    for step in steps:
        sink.numbers(step, {"loss": step * factor, "lr": 1e-4})
    sink.close()


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    reader = EventAccumulator(str(folder))
    reader.Reload()
    return [(event.step, event.value) for event in reader.Scalars(name)]


def test_numbers_are_read_back(tmp_path: Path) -> None:
    write(tmp_path / "tensorboard", range(1, 6), after=0)
    assert scalars(tmp_path / "tensorboard", "loss") == [(step, float(step)) for step in range(1, 6)]
    assert scalars(tmp_path / "tensorboard", "validation/held_out") == [(0, 0.5)]


def test_steps_that_are_done_again_are_there_once(tmp_path: Path) -> None:
    """A crash after step 7, a checkpoint at step 4: twice, and then begun anew."""
    write(tmp_path, range(1, 8), after=0)
    write(tmp_path, range(5, 8), after=4, factor=10.0)
    write(tmp_path, range(5, 11), after=4, factor=100.0)
    expected = [(step, float(step if step < 5 else step * 100)) for step in range(1, 11)]
    assert scalars(tmp_path, "loss") == expected
    # What the web page reads with is another class.
    shown = EventMultiplexer().AddRun(str(tmp_path), "run").Reload()
    assert [(event.step, event.value) for event in shown.Scalars("run", "loss")] == expected
    assert scalars(tmp_path, "validation/held_out") == [(0, 0.5)]
    write(tmp_path, range(1, 3), after=0)
    assert scalars(tmp_path, "loss") == [(1, 1.0), (2, 2.0)]
    assert scalars(tmp_path, "validation/held_out") == [(0, 0.5)]


def test_what_was_flushed_is_there_though_the_run_dies(tmp_path: Path) -> None:
    sink = TensorBoard(tmp_path, step=0)
    sink.numbers(1, {"loss": 1.0})
    sink.flush()
    assert scalars(tmp_path, "loss") == [(1, 1.0)]
    sink.close()


def test_pictures_are_read_back_and_large_ones_are_shrunk(tmp_path: Path) -> None:
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    colours = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    Image.fromarray(colours).save(small)
    Image.new("L", (4096, 512)).save(large)
    sink = TensorBoard(tmp_path / "tensorboard", step=0)
    sink.picture(0, "samples", small)
    sink.picture(1, "samples", large)
    sink.close()
    reader = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"images": 0})
    reader.Reload()
    first, second = reader.Images("samples")
    assert (first.step, second.step) == (0, 1)
    with Image.open(io.BytesIO(first.encoded_image_string)) as made:
        assert np.array_equal(np.asarray(made), colours)
    assert (second.width, second.height) == (2048, 256)


def plan_of(root: Path, log: str) -> plan.Plan:
    write_set(root, sizes=[(32, 32)])
    return plan.make(write_config(root, rest=f"[log]\n{log}\n"))


def test_the_config_decides_where_to(tmp_path: Path) -> None:
    made = plan_of(tmp_path, "tensorboard = true")
    sink = logs.make(made, step=0)
    sink.numbers(1, {"loss": 0.25})
    sink.close()
    assert scalars(made.output / "tensorboard", "loss") == [(1, 0.25)]
    assert logs.make(plan_of(tmp_path, ""), step=0).all == ()


@pytest.mark.parametrize(
    ("library", "log"),
    [("torch.utils.tensorboard", "tensorboard = true"), ("wandb", 'wandb = "sks"')],
    ids=["tensorboard", "wandb"],
)
def test_a_library_that_is_missing_is_named(
    library: str, log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError) as caught:
        logs.make(plan_of(tmp_path, log), step=0)
    name = library.rpartition(".")[2]
    assert caught.value.message == f"log.{name}: the library {name} is not installed"
    assert 'pip install "dsk[logs]"' in caught.value.hint


def test_every_sink_gets_everything(tmp_path: Path) -> None:
    made = [TensorBoard(tmp_path / name, step=0) for name in ("a", "b")]
    sinks = replace(logs.Sinks(()), all=tuple(made))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    sinks.numbers(3, {"loss": 1.0})
    sinks.picture(3, "samples", tmp_path / "a.png")
    sinks.close()
    for name in ("a", "b"):
        reader = EventAccumulator(str(tmp_path / name))
        reader.Reload()
        assert [event.step for event in reader.Scalars("loss")] == [3]
        assert [event.step for event in reader.Images("samples")] == [3]


def test_lines_after_the_checkpoint_are_cut(tmp_path: Path) -> None:
    log = LossLog(tmp_path / "new" / "draws.jsonl")
    assert read_rows(log.path) == []
    log.cut(0)
    rows = [{"step": step, "draws": [[0, 12.5, 0.1 * step]]} for step in range(1, 6)]
    with log.appending() as add:
        for row in rows:
            add(row)
    # A crash cut the last line short, and another is no row at all.
    log.path.write_bytes(log.path.read_bytes() + b'[1]\n{"step": 3}')
    assert read_rows(log.path) == rows
    log.cut(3)
    assert read_rows(log.path) == rows[:3]
    with log.appending() as add:
        add(rows[3])
    assert read_rows(log.path) == rows[:4]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full, which Linux has")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "loss.jsonl").symlink_to("/dev/full")
    with LossLog(tmp_path / "loss.jsonl").appending() as add, pytest.raises(WriteError, match=r"loss\.jsonl"):
        add({"step": 1})
