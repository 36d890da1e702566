"""Regularization pictures: what is asked for, what lies in the folder, and that it can be gone on with."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.data import dataset_toml
from trainer.data.dataset_toml import Fallback
from trainer.errors import ConfigError, DatasetError, InterruptedRun, StateError
from trainer.plan import Plan
from trainer.tools import classgen
from trainer.tools.asking import ClassRequest, Options, plan_of_base, plan_of_sheet, request, sizes_px
from trainer.tools.classgen import Painter, make, wanted

REQUEST = ClassRequest(("1girl, {red|blue} hair", "1boy"), 5, ((32, 32), (48, 32)), 2, 3.0, "bad", 1)


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Painter:
    path = tmp_path_factory.mktemp("config") / "bake.toml"
    path.write_text("[sample]\nsteps = 2\n")
    return classgen.painter(plan_of_base(path))


def never() -> bool:
    return False


def filled(painter: Painter, asked: ClassRequest, folder: Path) -> list[int]:
    told: list[int] = []
    make(painter, asked, folder=folder, stop=never, tell=told.append)
    return told


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_prompts_and_sizes_take_turns_and_choices_are_drawn() -> None:
    rows = wanted(replace(REQUEST, count=400))
    assert [one.size_px for one in rows[:5]] == [(32, 32), (32, 32), (48, 32), (48, 32), (32, 32)]
    drawn = Counter(one.prompt for one in rows)
    assert set(drawn) == {"1girl, red hair", "1girl, blue hair", "1boy"}
    assert drawn["1boy"] == 200
    assert 70 < drawn["1girl, red hair"] < 130
    assert len({one.seed for one in rows}) == len({one.name for one in rows}) == 400
    assert wanted(replace(REQUEST, count=7)) == rows[:7]
    assert rows[0].name in ("1girl-red-hair_0001", "1girl-blue-hair_0001")
    assert wanted(replace(REQUEST, prompts=("猫",)))[0].name == "picture_0001"


def test_a_picture_tells_what_it_is_and_has_its_caption(painter: Painter, tmp_path: Path) -> None:
    assert sorted(filled(painter, REQUEST, tmp_path)) == [1, 2, 3, 4, 5]
    mark = json.loads((tmp_path / "classgen.json").read_text())
    assert mark["generator"] == "dsk classgen"
    for one in wanted(REQUEST):
        assert (tmp_path / f"{one.name}.txt").read_text() == one.prompt
        with Image.open(tmp_path / f"{one.name}.png") as picture:
            picture.load()
            assert picture.size == one.size_px
            said = picture.text
        assert said["Software"] == "dsk classgen"
        assert (said["prompt"], said["seed"], said["steps"]) == (one.prompt, str(one.seed), "2")
        assert said["base"] == "tiny, random weights of seed 0"
        assert mark["pictures"][f"{one.name}.png"]["seed"] == str(one.seed)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", *[".png"] * 5, ".toml", *[".txt"] * 5]


def test_the_same_seed_makes_the_same_picture_whatever_was_there(painter: Painter, tmp_path: Path) -> None:
    filled(painter, REQUEST, tmp_path / "one")
    filled(painter, replace(REQUEST, count=2), tmp_path / "two")
    first = tmp_path / "two" / f"{wanted(REQUEST)[0].name}.png"
    touched = first.stat().st_mtime_ns
    assert sorted(filled(painter, REQUEST, tmp_path / "two")) == [3, 4, 5]
    assert first.stat().st_mtime_ns == touched
    for path in (tmp_path / "one").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    filled(painter, replace(REQUEST, seed=2), tmp_path / "other")
    assert not {path.read_bytes() for path in (tmp_path / "one").glob("*.png")} & {
        path.read_bytes() for path in (tmp_path / "other").glob("*.png")
    }


def test_pictures_made_at_once_are_those_made_one_by_one(painter: Painter, tmp_path: Path) -> None:
    filled(painter, REQUEST, tmp_path / "one")
    filled(painter, replace(REQUEST, batch_size=4), tmp_path / "many")
    for path in (tmp_path / "one").glob("*.png"):
        far = np.abs(pixels(path).astype(int) - pixels(tmp_path / "many" / path.name).astype(int))
        assert far.max() <= 1


def test_sample_with_the_pictures_seed_makes_it_too(painter: Painter, tmp_path: Path) -> None:
    from trainer.sampling import ddim
    from trainer.sampling.prompts import Prompt

    filled(painter, replace(REQUEST, count=1), tmp_path)
    one = wanted(REQUEST)[0]
    asked = ddim.Request((Prompt(one.prompt, "bad", one.size_px, 2, 3.0, one.seed),))
    model, objective = painter.model, painter.objective
    alone = ddim.pictures(model, objective, path=painter.path, request=asked, stride_px=painter.stride_px)[0]
    assert np.array_equal(np.asarray(alone), pixels(tmp_path / f"{one.name}.png"))


def test_what_was_cut_short_is_made_again(painter: Painter, tmp_path: Path) -> None:
    filled(painter, REQUEST, tmp_path)
    first, second, third = (tmp_path / f"{one.name}.png" for one in wanted(REQUEST)[:3])
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 2])
    second.write_bytes(b"")
    third.with_suffix(".txt").unlink()
    (tmp_path / f".{first.name}.abcdefgh").write_bytes(b"half")
    assert sorted(filled(painter, REQUEST, tmp_path)) == [1, 2, 3]
    assert first.read_bytes() == whole
    assert not list(tmp_path.glob(".*"))


def test_a_wish_to_stop_is_granted_between_pictures(painter: Painter, tmp_path: Path) -> None:
    told: list[int] = []
    with pytest.raises(InterruptedRun, match="3 pictures to go"):
        make(painter, REQUEST, folder=tmp_path, stop=lambda: len(told) >= 2, tell=told.append)
    assert len(list(tmp_path.glob("*.png"))) == 2
    assert sorted([*told, *filled(painter, REQUEST, tmp_path)]) == [1, 2, 3, 4, 5]


def test_pictures_of_another_request_are_not_touched(painter: Painter, tmp_path: Path) -> None:
    one = replace(REQUEST, prompts=("1boy",), count=1)
    filled(painter, one, tmp_path)
    before = (tmp_path / "1boy_0001.png").read_bytes()
    for other, word in ((replace(one, seed=9), "seed"), (replace(one, steps=3), "steps")):
        with pytest.raises(StateError, match=f"its {word} differs"):
            filled(painter, other, tmp_path)
    assert (tmp_path / "1boy_0001.png").read_bytes() == before


def test_the_rows_for_the_dataset_toml_are_read_as_regularization(painter: Painter, tmp_path: Path) -> None:
    folder = tmp_path / 'with "quotes"'
    filled(painter, replace(REQUEST, count=2), folder)
    text = (folder / "dataset.toml").read_text()
    assert tomllib.loads(text)["datasets"][0]["subsets"][0]["image_dir"] == str(folder)
    (sets,) = dataset_toml.read(folder / "dataset.toml", Fallback(1, 32, {}))
    (subset,) = sets.subsets
    assert subset.is_reg
    assert subset.image_dir == folder
    assert (subset.caption_extension, subset.num_repeats) == (".txt", 1)


def test_sizes_and_prompts_that_cannot_be(tmp_path: Path) -> None:
    assert sizes_px(("832x1216", "64"), stride_px=8) == ((832, 1216), (64, 64))
    for text, word in (("63x64", "try 64x64"), ("0x64", "try 8x64"), ("wide", "832x1216"), ("1x2x3", "832x1216")):
        with pytest.raises(ConfigError) as caught:
            sizes_px((text,), stride_px=8)
        assert word in caught.value.hint
    path = tmp_path / "bake.toml"
    path.write_text("[sample]\nsteps = 7\nsize = [32, 48]\nnegative = 'bad'\n")
    plan = plan_of_base(path)
    asked = request(plan, Options(("1girl ",), 3))
    assert asked == ClassRequest(("1girl",), 3, ((32, 48),), 7, 5.0, "bad", 1)
    assert request(plan, Options(("a",), 1, negative="", seed=0)).negative == ""
    with pytest.raises(ConfigError, match="empty"):
        request(plan, Options((" ",), 3))


@pytest.mark.slow  # two processes that load torch; tests/actions has one with all around it
def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "bake.toml").write_text("[sample]\nsteps = 1\nsize = [32, 32]\n[train]\nthreads = 1\n")
    command = [sys.executable, "-m", "trainer", "classgen", "bake.toml", "--prompt", "1girl", "--out", "reg"]
    for count, said in (("1", "made 1 picture in reg"), ("2", "made 1 picture in reg, 1 were there")):
        done = subprocess.run(
            [*command, "--count", count], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == said
    assert [path.name for path in sorted((tmp_path / "reg").glob("*.png"))] == ["1girl_0001.png", "1girl_0002.png"]
    refused = subprocess.run([*command, "--size", "31"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr.splitlines()[1]) == (3, "hint: try 32x32")


def texts(plan: Plan) -> list[str]:
    return [prompt.text for prompt in plan.sample_prompts()]


def test_a_sheet_needs_the_dataset_for_its_captions_only(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[dataset]\nconfig = "gone.toml"\n')
    assert texts(plan_of_sheet(path, ("a hat", "a cat"))) == ["a hat", "a cat"]
    with pytest.raises(DatasetError, match=r"gone\.toml"):
        plan_of_sheet(path, ())
    path.write_text('[dataset]\nconfig = "gone.toml"\n[sample]\nprompts = ["1girl"]\n')
    assert texts(plan_of_sheet(path, ())) == ["1girl"]
    assert texts(plan_of_sheet(path, ("a hat",))) == ["a hat"]
