"""`python -m datakit.demo.portraits`, as a person types it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from datakit.demo.portraits.__main__ import main
from datakit.demo.portraits.lots import base_looks
from datakit.demo.portraits.writing import MANIFEST


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / MANIFEST).read_text("utf-8").splitlines()]


def test_draws_styles_into_a_new_folder(tmp_path: Path) -> None:
    out = tmp_path / "new"
    result = invoke(out, "--count", 6, "--seed", 2, "--styles", "lorelei,pixel-art", "--size", 32)
    assert result.exit_code == 0, result.output
    assert result.output == f"6 portraits in {out}\n"
    with Image.open(out / "000000.png") as picture:
        assert picture.size == (32, 32)
    assert {record["look"]["style"] for record in records(out)} == {"lorelei", "pixel-art"}  # type: ignore[index]


def test_base_leaves_characters_out_and_processes_change_nothing(tmp_path: Path) -> None:
    for name, processes in (("one", 1), ("two", 2)):
        assert invoke(tmp_path / name, "--base", "--count", 20, "--size", 32, "--processes", processes).exit_code == 0
    assert len(records(tmp_path / "one")) == len(list(base_looks(20, seed=1)))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_character_on_every_background(tmp_path: Path) -> None:
    assert invoke(tmp_path / "mika", "--character", "mika", "--varied", "--count", 12, "--size", 32).exit_code == 0
    found = records(tmp_path / "mika")
    assert all({"pink_hair", "twintails"} <= set(record["tags"]) for record in found)  # type: ignore[call-overload]
    assert len({record["look"]["background"] for record in found}) > 3  # type: ignore[index]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--styles", "lorelay"), 2, "--styles: there is no style 'lorelay'"),
        (("--base", "--styles", "micah"), 2, "--base draws its own styles"),
        (("--character", "aria", "--styles", "adventurer,micah"), 2, "one style at a time"),
        (("--character", "aria", "--styles", "lorelei"), 6, "'lorelei' cannot draw aria"),
    ],
)
def test_bad_options_leave_no_folder(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    result = invoke(tmp_path / "out", "--count", 2, *words)
    assert result.exit_code == code
    assert said in result.output
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = invoke(tmp_path, "--count", 2)
    assert result.exit_code == 6
    assert "is there already" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_a_stopped_run_left_is_drawn_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / f"{MANIFEST}.part").write_text('{"file": "000000.png"}\n{"fi')
    (out / "000007.png").write_bytes(b"half a pict")
    assert invoke(out, "--count", 2, "--size", 16).exit_code == 0
    assert len(records(out)) == 2
    names = sorted(path.name for path in out.iterdir())
    assert names == ["000000.png", "000000.txt", "000001.png", "000001.txt", MANIFEST]
    assert invoke(out, "--count", 2, "--size", 16).exit_code == 6, "a whole folder stays"
    (out / MANIFEST).rename(out / f"{MANIFEST}.part")
    (out / "mine.png").write_bytes(b"mine")
    assert "is there already" in invoke(out, "--count", 2).output
    assert (out / "000001.png").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        result = invoke(place, "--count", 1)
        assert result.exit_code not in (0, 1), result.output
        assert str(place) in result.output
        assert "error: " in result.output
