"""The whole way on the base that comes along: bake a character that it was never shown, draw, let the tagger look.

What counts is the share of pictures drawn for the trigger, with no word of the traits that captions left out, that show
all of them. It was 12 of 12 with the LoRA, none without; with a base of random weights (`base = ""`) none either way.
That it is the trigger which calls them takes regularization pictures and more steps: the demonstration measures it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from experiments.judging import Judge
from PIL import Image

from datakit.demo.portraits.cast import CHARACTERS
from datakit.demo.portraits.drawing import draw, tags_of
from datakit.demo.portraits.lots import character_looks
from datakit.demo.portraits.writing import caption
from trainer import embedded
from trainer.cli import cli

ROOT = Path(__file__).parents[2]
BASE = "dsk-tiny"
TAGGER = "dsk-tiny-tagger"
TRIGGER = "aria_dsk"
PROMPT = f"{TRIGGER}, 1girl, solo, adventurer (style)"
"""Captions name the style, so the trigger does not stand for it."""
ARIA = CHARACTERS["aria"]
TRAITS = frozenset({ARIA.hair_colour, ARIA.hair, "glasses"})
SIZE_PX = 64
PICTURES = 12
STEPS = 80

RUN = """
[model]
base = "{base}"
[dataset]
config = "dataset.toml"
[adapter]
rank = 16
alpha = 16
conv_rank = 8
[optimizer]
learning_rate = 2e-3
[schedule]
name = "cosine"
warmup = 10
[train]
steps = {steps}
threads = 1
device = "cpu"
[validation]
timesteps = 8
[sample]
prompts = ["{prompt}"]
steps = 16
guidance = 4
guidance_rescale = 0.5
size = [{size}, {size}]
[output]
dir = "out"
name = "aria"
"""

DATASET = """
[general]
caption_extension = ".txt"
shuffle_caption = true
keep_tokens = 1
[[datasets]]
resolution = {size}
batch_size = 4
validation_split = 0.2
[[datasets.subsets]]
image_dir = "pictures"
"""


def write_set(folder: Path, *, base: str) -> Path:
    """Sixteen pictures whose captions leave the traits to the trigger, and the run's settings."""
    (folder / "pictures").mkdir(parents=True)
    for number, look in enumerate(character_looks("aria", 16, seed=1)):
        told = [tag for tag in tags_of(look) if tag not in TRAITS]
        draw(look, SIZE_PX).save(folder / "pictures" / f"{number:02}.png")
        (folder / "pictures" / f"{number:02}.txt").write_text(caption((TRIGGER, *told)), "utf-8")
    (folder / "dataset.toml").write_text(DATASET.format(size=SIZE_PX), "utf-8")
    path = folder / "run.toml"
    path.write_text(RUN.format(base=base, steps=STEPS, prompt=PROMPT, size=SIZE_PX), "utf-8")
    return path


def invoke(*words: str) -> None:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, (words, done.output, done.exception)


def drawn(config: Path) -> dict[str, list[Image.Image]]:
    """Pictures without and with the LoRA, at equal seeds; the prompt names no trait."""
    jobs = [
        {"name": f"{side}-{seed}", "prompt": PROMPT, "seed": seed, "scale": scale}
        for side, scale in (("without", 0.0), ("with", 1.0))
        for seed in range(PICTURES)
    ]
    folder, jobs_path, out = config.parent, config.parent / "jobs.json", config.parent / "drawn"
    jobs_path.write_text(json.dumps(jobs), "utf-8")
    lora = folder / "out" / "aria.safetensors"
    invoke("pictures", str(config), "--lora", str(lora), "--jobs", str(jobs_path), "--out", str(out))
    return {
        side: [Image.open(out / f"{side}-{seed}.png").convert("RGB") for seed in range(PICTURES)]
        for side in ("without", "with")
    }


def shares(judge: Judge, config: Path) -> dict[str, dict[str, float]]:
    """Side → trait, or `all` → share of the pictures that show it."""
    told = {}
    for side, images in drawn(config).items():
        tags = [frozenset(one) for one in judge.tags(images)]
        told[side] = {trait: sum(trait in one for one in tags) / len(tags) for trait in sorted(TRAITS)}
        told[side]["all"] = sum(one >= TRAITS for one in tags) / len(tags)
    return told


def validation(config: Path) -> tuple[float, float]:
    """The loss of pictures held out, before and after."""
    rows = json.loads((config.parent / "out" / "result.json").read_text("utf-8"))["validation"]
    return rows[0]["held_out"], rows[-1]["held_out"]


def test_a_character_is_learnt(tmp_path: Path) -> None:
    if embedded.path_of(BASE) is None:
        pytest.skip(f"the base {BASE} does not lie in trainer/families/assets: make {BASE}")
    judge = Judge(TAGGER, root=ROOT)
    config = write_set(tmp_path / "aria", base=BASE)
    invoke("run", str(config))
    told = shares(judge, config)
    before, after = validation(config)
    assert told["with"]["all"] >= 0.75, told
    assert told["without"]["all"] <= 0.1, told
    assert after < before


def test_datakit_knows_by_name_what_the_trainer_brings() -> None:
    from datakit.actions.trainerprogram import EMBEDDED

    assets = Path(embedded.__file__).parent / "families" / "assets"
    assert sorted(EMBEDDED) == sorted(index.parent.name for index in assets.glob("*/model_index.json"))
    assert all(embedded.path_of(name) for name in EMBEDDED)
