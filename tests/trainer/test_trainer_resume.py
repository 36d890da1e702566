"""Stopped and gone on is the same as never stopped, bit for bit, whatever is trained."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from trainer_sets import write_config, write_set

from trainer import plan
from trainer.errors import InterruptedRun
from trainer.progress import PlainReporter
from trainer.run import bake

ADAPTERS = {
    "lora": 'name = "lora"\nrank = 4\ntext_targets = "attention"\ntargets = "attention"\n'
    "dropout = 0.2\nrank_dropout = 0.2\nmodule_dropout = 0.2",
    "lokr": 'name = "lokr"\nrank = 2\nfactor = 4\ntext_targets = "attention"\ndropout = 0.1\nrank_dropout = 0.2',
    "full": 'name = "full"\ntext_targets = "full"',
    "textual_inversion": 'name = "textual_inversion"\nword = "sks"\nnum_vectors = 2',
}
# All that is drawn: captions, views, noise of every kind, times, dropout.
GENERAL = "shuffle_caption = true\nflip_aug = true\nrandom_crop = true\ncaption_tag_dropout_rate = 0.2"
NOISE = "[noise]\noffset = 0.1\noffset_random = true\npyramid_iterations = 3\ninput_perturbation = 0.1\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("resume")
    write_set(root, sizes=[(64, 64), (64, 64), (96, 48)], repeats=1, general=GENERAL)
    return root


def run(root: Path, adapter: str, *, steps: int, out: str) -> Path:
    rest = 'dtype = "fp32"\nlayout = "diffusers"\n' if adapter == "full" else 'dtype = "fp32"\n'
    rest += f"[adapter]\n{ADAPTERS[adapter]}\n[optimizer]\nlearning_rate = 1e-3\n{NOISE}"
    train = f"steps = {steps}"
    made = plan.make(write_config(root, train=train, rest=rest, out=f"{adapter}-{out}"))
    bake(made, PlainReporter(lambda text: None))
    return made.output


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "loss.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "adapter", ["lora", "full", *(pytest.param(one, marks=pytest.mark.slow) for one in ("lokr", "textual_inversion"))]
)
def test_four_steps_are_two_and_two_bitwise(adapter: str, root: Path) -> None:
    whole = run(root, adapter, steps=4, out="whole")
    run(root, adapter, steps=2, out="halves")
    halves = run(root, adapter, steps=4, out="halves")
    assert losses(whole) == losses(halves)
    for name in ("adapter.safetensors", "optimizer.safetensors"):
        place = Path("checkpoints", "step-00000004", name)
        one, two = load_file(whole / place), load_file(halves / place)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    start, end = (load_file(halves / "checkpoints" / f"step-0000000{n}" / "adapter.safetensors") for n in (2, 4))
    assert any(not torch.equal(start[key], end[key]) for key in start)
    pictures = Path("samples", "before-after.png")
    assert (whole / pictures).read_bytes() == (halves / pictures).read_bytes()


EVERYTHING = """[schedule]
name = "cosine"
warmup = 3
end = 0.1
[ema]
decay = 0.9
[validation]
split = 0.34
every = 3
timesteps = 2
"""
HELD_AS = {"lora": 'adapter_weights = "bf16"', "full": 'weights = "bf16"\ntext_weights = "bf16"'}


@dataclass
class Stopper:
    """A reporter that sends this process Ctrl-C after so many steps."""

    after: int
    own: PlainReporter = field(default_factory=lambda: PlainReporter(lambda text: None))

    def note(self, text: str) -> None:
        self.own.note(text)

    def begin(self, what: str, *, done: int, total: int) -> None:
        self.own.begin(what, done=done, total=total)

    def advance(self, num: int = 1, *, loss: float | None = None) -> None:
        self.own.advance(num, loss=loss)
        if loss is not None and self.own.done == self.after:
            os.kill(os.getpid(), signal.SIGINT)

    def end(self) -> None:
        self.own.end()


def run_everything(root: Path, adapter: str, *, out: str, stop: int = 0) -> Path:
    rest = 'dtype = "fp32"\nlayout = "diffusers"\n' if adapter == "full" else 'dtype = "fp32"\n'
    rest += f"[adapter]\n{ADAPTERS[adapter]}\n[optimizer]\nlearning_rate = 1e-3\n{NOISE}{EVERYTHING}"
    rest += f"[memory]\ncheckpointing = true\n{HELD_AS[adapter]}\n"
    train = 'steps = 10\ngradient_accumulation = 2\nprecision = "bf16"\nsave_every = 4'
    path = write_config(root, train=train, rest=rest, out=f"all-{adapter}-{out}", sample="every = 3")
    made = plan.make(path)
    if stop:
        with pytest.raises(InterruptedRun):
            bake(made, Stopper(stop))
    else:
        bake(made, PlainReporter(lambda text: None))
    return made.output


@pytest.mark.slow
@pytest.mark.parametrize("adapter", HELD_AS)
def test_ten_steps_are_five_and_five_with_everything_on(adapter: str, root: Path) -> None:
    whole = run_everything(root, adapter, out="whole")
    run_everything(root, adapter, out="halves", stop=5)
    halves = run_everything(root, adapter, out="halves")
    assert losses(whole) == losses(halves)
    last = Path("checkpoints", "step-00000010")
    for name in ("adapter", "optimizer", "ema"):
        one, two = (load_file(folder / last / f"{name}.safetensors") for folder in (whole, halves))
        assert one.keys() == two.keys()
        assert all(one[key].dtype == two[key].dtype and torch.equal(one[key], two[key]) for key in one)
    dtypes = {tensor.dtype for tensor in load_file(halves / last / "adapter.safetensors").values()}
    assert torch.bfloat16 in dtypes
    seen = sorted(path.relative_to(whole) for path in (whole / "samples").rglob("*.png"))
    assert len(seen) > 3
    for name in (*seen, Path("draws.jsonl"), Path("image-losses.json")):
        assert (whole / name).read_bytes() == (halves / name).read_bytes(), name
