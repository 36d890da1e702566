"""The sheet that grows while a bake goes on: what is kept, what is thrown away, what is shown."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from trainer_sets import picture, write_config

from trainer import sheets
from trainer.plan import Plan
from trainer.sampling import legend
from trainer.sampling.ddim import Request
from trainer.sampling.prompts import Prompt
from trainer.sheets import GRID, MOST_COLUMNS, Growing, spread
from trainer.tools.asking import plan_of_sheet

PROMPTS = (Prompt("sks, 1girl, 猫", "bad", (64, 32), 20, 5.0, 1), Prompt("a hat", "bad", (32, 32), 20, 5.0, 7))


def made(step: int) -> list[Image.Image]:
    return [picture(prompt.size_px, 100 * row + step) for row, prompt in enumerate(PROMPTS)]


def grown(root: Path, *steps: int, prompts: tuple[Prompt, ...] = PROMPTS) -> Growing:
    sheet = Growing(root / "samples", Request(prompts), "sks", "a base")
    for step in steps:
        sheet.add(step, made(step)[: len(prompts)])
    return sheet


def names(root: Path) -> set[str]:
    return {path.name for path in (root / "samples").iterdir()}


def shown(root: Path) -> tuple[tuple[int, int], str]:
    with Image.open(root / "samples" / GRID) as image:
        return image.size, str(image.info["Title"])


def test_a_column_is_kept_with_what_decides_it(tmp_path: Path) -> None:
    sheet = grown(tmp_path, 0, 100)
    assert names(tmp_path) == {"step-00000000", "step-00000100", GRID}
    assert sheet.steps() == [0, 100]
    found = sheet.pictures(100)
    assert found is not None
    assert [each.tobytes() for each in found] == [each.tobytes() for each in made(100)]
    with Image.open(tmp_path / "samples" / "step-00000100" / "000.png") as image:
        assert {key: image.info[key] for key in ("prompt", "negative", "seed", "step")} == {
            "prompt": "sks, 1girl, 猫",
            "negative": "bad",
            "seed": "1",
            "step": "100",
        }
    assert sheet.pictures(50) is None


def test_the_sheet_grows_to_the_right(tmp_path: Path) -> None:
    widths = []
    for step in (0, 100, 200):
        path = grown(tmp_path, step).folder / GRID
        with Image.open(path) as image:
            widths.append(image.width)
        assert shown(tmp_path)[1] == f"sks, step {step}"
    assert widths[2] - widths[1] == widths[1] - widths[0] > 224
    # The newest stands right: 64 x 32 in the first row, four times as large.
    pixels = np.asarray(Image.open(tmp_path / "samples" / GRID).convert("RGB"))
    large = np.asarray(made(200)[0].resize((256, 128), Image.Resampling.NEAREST))
    left = pixels.shape[1] - 32 - 256
    assert np.array_equal(pixels[110:238, left : left + 256], large)


def test_what_comes_after_the_checkpoint_goes_and_the_rest_stays(tmp_path: Path) -> None:
    grown(tmp_path, 0, 100, 200, 300)
    folder = tmp_path / "samples"
    (folder / ".step-00000400.abcdefgh").mkdir()
    (folder / f".{GRID}.abcdefgh").write_bytes(b"half")
    before = (folder / "step-00000100" / "001.png").read_bytes()
    sheet = grown(tmp_path)
    sheet.begin(200)
    assert sheet.steps() == [0, 100, 200]
    assert names(tmp_path) == {"step-00000000", "step-00000100", "step-00000200", GRID}
    assert shown(tmp_path)[1] == "sks, step 200"
    assert (folder / "step-00000100" / "001.png").read_bytes() == before


def test_the_sheet_drawn_again_is_the_same(tmp_path: Path) -> None:
    whole = grown(tmp_path / "one", 0, 100, 200, 300)
    halves = grown(tmp_path / "two", 0, 100, 200)
    halves.begin(100)
    grown(tmp_path / "two", 200, 300)
    assert (whole.folder / GRID).read_bytes() == (halves.folder / GRID).read_bytes()


def test_a_run_from_the_beginning_has_no_columns(tmp_path: Path) -> None:
    sheet = grown(tmp_path, 0, 100)
    sheet.begin(0)
    assert names(tmp_path) == set()
    Growing(tmp_path / "never", Request(PROMPTS), "sks", "").begin(0)
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    "others",
    [PROMPTS[:1], (PROMPTS[0], replace(PROMPTS[1], seed=8)), (PROMPTS[0], replace(PROMPTS[1], negative=""))],
    ids=["fewer", "seed", "negative"],
)
def test_other_prompts_begin_another_sheet_and_the_old_one_is_put_aside(
    others: tuple[Prompt, ...], tmp_path: Path
) -> None:
    grown(tmp_path, 0, 100)
    sheet = grown(tmp_path, prompts=others)
    assert sheet.steps() == []
    assert sheet.pictures(0) is None
    sheet.begin(100)
    assert names(tmp_path) == {"earlier-1"}
    assert {path.name for path in (tmp_path / "samples" / "earlier-1").iterdir()} == {"step-00000000", "step-00000100"}
    grown(tmp_path, 200, prompts=others)
    grown(tmp_path).begin(200)
    assert names(tmp_path) == {"earlier-1", "earlier-2"}


def test_a_damaged_column_is_none(tmp_path: Path) -> None:
    sheet = grown(tmp_path, 0, 100)
    (tmp_path / "samples" / "step-00000100" / "001.png").write_bytes(b"\x89PNG no more")
    assert sheet.pictures(100) is None
    sheet.draw()
    assert sheet.pictures(0) is not None


def test_of_many_columns_the_first_the_last_and_some_between_are_shown(tmp_path: Path) -> None:
    sheet = grown(tmp_path)
    for step in range(0, 100 * (MOST_COLUMNS + 8), 100):
        sheet.keep(step, made(step))
    sheet.draw()
    few = shown(tmp_path)[0]
    assert len(sheet.steps()) == MOST_COLUMNS + 8
    for step in sheet.steps()[1 : 1 + 8]:
        for path in (tmp_path / "samples" / f"step-{step:08d}").iterdir():
            path.unlink()
    sheet.draw()
    assert shown(tmp_path)[0] == few


@given(st.integers(0, 200), st.integers(2, 20))
def test_places_are_spread_evenly(num: int, most: int) -> None:
    places = spread(num, most)
    assert len(places) == min(num, most)
    assert places == sorted(set(places))
    if num:
        assert (places[0], places[-1]) == (0, num - 1)
    gaps = {later - earlier for earlier, later in pairwise(places)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_the_words_tell_apart_what_is_shared_and_what_is_a_rows_own() -> None:
    assert legend.footer(PROMPTS, "x.safetensors") == "base: x.safetensors   20 steps   guidance 5"
    assert [row.notes for row in legend.rows(PROMPTS)] == [("64 x 32, seed 1",), ("32 x 32, seed 7",)]
    alike = tuple(replace(prompt, seed=1, size_px=(32, 32)) for prompt in PROMPTS)
    assert legend.footer(alike, "x") == "base: x   seed 1   20 steps   guidance 5"
    assert [row.notes for row in legend.rows(alike)] == [(), ()]
    other = (alike[0], replace(alike[1], negative="", guidance=3.5))
    assert [row.notes for row in legend.rows(other)] == [("guidance 5", "not: bad"), ("guidance 3.5",)]


def planned(root: Path, sample: str) -> Plan:
    return plan_of_sheet(write_config(root, sample=sample), ())


def test_when_pictures_are_made(tmp_path: Path) -> None:
    made = planned(tmp_path, "")
    assert not sheets.grows(made)
    assert not any(sheets.is_due(made, step) for step in range(1, 50))
    for sample, per_epoch, due in [
        ("every = 4", 3, {4, 8, 12}),
        ("every_epochs = 2", 3, {6, 12}),
        ("every = 5\nevery_epochs = 1", 4, {4, 5, 8, 10, 12}),
    ]:
        made = replace(planned(tmp_path, sample), steps_per_epoch=per_epoch)
        assert sheets.grows(made)
        assert {step for step in range(1, 13) if sheets.is_due(made, step)} == due


def test_a_prompt_file_needs_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a cat --w 64\na dog --d 3\n")
    path = tmp_path / "bake.toml"
    path.write_text('[dataset]\nconfig = "gone.toml"\n[sample]\nprompt_file = "prompts.txt"\n')
    assert [prompt.text for prompt in sheets.request(plan_of_sheet(path, ())).prompts] == ["a cat", "a dog"]
    assert [prompt.text for prompt in sheets.request(plan_of_sheet(path, ("1girl",))).prompts] == ["1girl"]
