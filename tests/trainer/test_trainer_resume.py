"""Stopped and gone on is the same as never stopped, bit for bit, whatever is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from trainer_sets import write_config, write_set

from trainer import plan
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


@pytest.mark.parametrize("adapter", ADAPTERS)
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
