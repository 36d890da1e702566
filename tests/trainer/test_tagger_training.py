"""A tagger from pictures to files: what it learns, what it writes, and going on where it was stopped."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner
from PIL import Image

from trainer.errors import ConfigError, DatasetError, InterruptedRun, StateError, TrainerError
from trainer.progress import PlainReporter
from trainer.tagger.command import tagger as command
from trainer.tagger.exporting import LABELS, MODEL
from trainer.tagger.run import RESULT, train
from trainer.tagger.settings import load

COLOURS = {"red_square": (220, 30, 30), "blue_square": (30, 30, 220)}
QUIET = PlainReporter(lambda line: None)


def world(folder: Path, *, count: int = 60, captions: bool = False) -> Path:
    """Squares of two colours on light grounds, each third one with a bar."""
    folder.mkdir(parents=True)
    rows = []
    for number in range(count):
        tag = sorted(COLOURS)[number % 2]
        image = Image.new("RGB", (24, 24), (240 - number % 7, 240, 235 + number % 11))
        image.paste(COLOURS[tag], (5 + number % 3, 6, 17 + number % 3, 18))
        tags = [tag, "solo"]
        if number % 3 == 0:
            image.paste((10, 10, 10), (0, 10, 24, 14))
            tags.append("bar")
        name = f"{number:03d}.png"
        image.save(folder / name)
        rows.append(json.dumps({"file": name, "tags": tags}))
        if captions:
            (folder / name).with_suffix(".txt").write_text(", ".join(one.replace("_", " ") for one in tags))
    if not captions:
        (folder / "manifest.jsonl").write_text("\n".join(rows))
    return folder


def config(folder: Path, *, steps: int = 12, more: str = "", data: str = "") -> Path:
    path = folder / "tagger.toml"
    path.write_text(
        f'[data]\nfolders = ["world"]\nstored_px = 24\nleast_count = 5\nvalidation = 0.2\n{data}\n'
        f"[network]\nsize_px = 16\nwidths = [8, 8]\n[train]\nsteps = {steps}\nbatch = 16\nlearning_rate = 2e-2\n"
        f'ema = 0.8\n[output]\nfolder = "out"\n{more}',
        "utf-8",
    )
    return path


def never() -> bool:
    return False


def after(number: int) -> Callable[[], bool]:
    left = iter(range(number - 1))
    return lambda: next(left, None) is None


def read_labels(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


@pytest.mark.parametrize("captions", [False, True])
def test_it_learns_and_writes_what_wd_taggers_are(tmp_path: Path, captions: bool) -> None:
    world(tmp_path / "world", captions=captions)
    world(tmp_path / "other", count=30)
    made = train(
        config(tmp_path, steps=40, more='[judge]\nleast_count = 5\nsets = {other = ["other"]}'),
        reporter=QUIET,
        stop=never,
    )
    assert made.judged["other"] > 0.9
    rows = read_labels(tmp_path / "out" / LABELS)
    assert [row["name"] for row in rows] == ["blue_square", "red_square", "bar"]
    assert {row["category"] for row in rows} == {"0"}
    assert all(0.1 <= float(row["best_threshold"]) <= 0.9 for row in rows)
    session = onnxruntime.InferenceSession(tmp_path / "out" / MODEL)
    (given,), (gives,) = session.get_inputs(), session.get_outputs()
    assert given.shape[1:] == [16, 16, 3]
    assert gives.shape[1] == 3
    shown = Image.open(tmp_path / "other/001.png").convert("RGB").resize((16, 16), Image.Resampling.BICUBIC)
    bgr = np.asarray(shown, np.float32)[None, :, :, ::-1]
    scores = dict(zip([row["name"] for row in rows], session.run(None, {given.name: bgr})[0][0], strict=True))
    assert scores["red_square"] > 0.5 > scores["blue_square"], "its channels are blue, green, red"
    result = json.loads((tmp_path / "out" / RESULT).read_text("utf-8"))
    assert result["f1"]["other"]["tags"]["red_square"]["positives"] == 15
    assert result["losses"][-1][1] < result["losses"][0][1]


def test_a_stopped_training_ends_in_the_same_bytes(tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        world(tmp_path / name / "world")
    train(config(tmp_path / "whole"), reporter=QUIET, stop=never)
    path = config(tmp_path / "parts")
    with pytest.raises(InterruptedRun, match="after step 5 of 12"):
        train(path, reporter=QUIET, stop=after(5))
    train(path, reporter=QUIET, stop=never)
    for name in (MODEL, LABELS):
        assert (tmp_path / "parts/out" / name).read_bytes() == (tmp_path / "whole/out" / name).read_bytes()


def test_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    world(tmp_path / "world")
    train(config(tmp_path, steps=3), reporter=QUIET, stop=never)
    with pytest.raises(StateError, match=r"train\.steps"):
        train(config(tmp_path, steps=4), reporter=QUIET, stop=never)
    assert train(config(tmp_path, steps=4), reporter=QUIET, stop=never, restart=True).num_tags == 3


def test_other_pictures_are_not_gone_on_with(tmp_path: Path) -> None:
    world(tmp_path / "world")
    path = config(tmp_path, steps=3)
    with pytest.raises(InterruptedRun):
        train(path, reporter=QUIET, stop=after(1))
    manifest = tmp_path / "world/manifest.jsonl"
    whole = manifest.read_text("utf-8")
    manifest.write_text(whole.replace('"bar"', '"stripe"', 1), "utf-8")
    with pytest.raises(StateError, match="learnt from other pictures or tags"):
        train(path, reporter=QUIET, stop=never)
    manifest.write_text(whole, "utf-8")
    assert train(path, reporter=QUIET, stop=never).num_tags == 3


def test_a_set_to_judge_on_that_is_not_there_is_told_before_it_learns(tmp_path: Path) -> None:
    world(tmp_path / "world")
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        train(config(tmp_path, more='[judge]\nsets = {other = ["nowhere"]}'), reporter=QUIET, stop=never)
    assert not list((tmp_path / "out/state").iterdir())


def test_a_home_of_nobody_is_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "tagger.toml"
    path.write_text('[data]\nfolders = ["~nobody-of-this-name/x"]\n[output]\nfolder = "out"')
    assert load(path).data.folders == (str(tmp_path / "~nobody-of-this-name/x"),)


def test_pictures_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    world(tmp_path / "world")
    (tmp_path / "world/004.png").write_bytes(b"\x89PNG no more")
    said: list[str] = []
    made = train(config(tmp_path, steps=2), reporter=PlainReporter(said.append), stop=never)
    assert made.num_pictures == 47
    assert any("004.png" in line for line in said)


def test_sets_of_tags_are_left_out(tmp_path: Path) -> None:
    world(tmp_path / "world")
    path = config(tmp_path, steps=2, data='leave_out = [["bar", "red_square"]]')
    assert train(path, reporter=QUIET, stop=never).num_pictures == 40


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\n", "folders"),
        ('[data]\nfolders = ["world"]\nfolder = 1\n[output]\nfolder = "out"', r"unknown key 'folder' in \[data\]"),
        ('[dta]\nfolders = ["world"]\n[output]\nfolder = "out"', r"unknown section \[dta\]"),
        ('[data]\nfolders = []\n[output]\nfolder = "out"', "length >= 1"),
        ('[data]\nfolders = ["world"]\n[network]\nsize_px = 3\n[output]\nfolder = "out"', "network.size_px: expected"),
        ('[data]\nfolders = ["world"]\n[train]\nbatch = 1\n[output]\nfolder = "out"', "train.batch: expected"),
        ('[data]\nfolders = ["world"]\n[train]\nlearning_rate = inf\n[output]\nfolder = "out"', "is inf"),
    ],
)
def test_a_wrong_toml_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tagger.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, "no such folder"),
        ([], "no picture with tags"),
        (["{"], "line 1 is no record"),
        (['{"file": "../a.png", "tags": []}'], "no name in this folder"),
        (['{"file": "..", "tags": []}'], "no name in this folder"),
        (['{"file": "a.png", "tags": "bar"}'], "line 1 is no record"),
        (['{"file": "a.png", "tags": ["x"]}'], "no picture can be read"),
    ],
)
def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path, lines: list[str] | None, message: str) -> None:
    if lines is not None:
        (tmp_path / "world").mkdir()
        (tmp_path / "world/manifest.jsonl").write_text("\n".join(lines))
    with pytest.raises(DatasetError, match=message):
        train(config(tmp_path), reporter=QUIET, stop=never)


def test_tags_that_all_or_few_pictures_have_are_not_learnt(tmp_path: Path) -> None:
    world(tmp_path / "world", count=8)
    with pytest.raises(TrainerError, match="no tag can be learnt"):
        train(config(tmp_path), reporter=QUIET, stop=never)


def test_the_command_says_how_good_it_is(tmp_path: Path) -> None:
    world(tmp_path / "world")
    done = CliRunner().invoke(command, [str(config(tmp_path, steps=2))])
    assert done.exit_code == 0, done.output
    assert "trained on 48 pictures for 3 tags" in done.output
    assert "macro-F1 validation" in done.output


def test_the_recipe_that_comes_along_is_one() -> None:
    recipe = load(Path(__file__).parents[2] / "trainer/tagger/dsk-tiny-tagger.toml")
    assert ("blue_hair", "braid") in recipe.data.leave_out
    assert set(recipe.judge.sets) == {"held_out_characters", "lorelei", "pixel_art"}
