"""dsk prompt as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.project import Project

Dsk = Callable[..., subprocess.CompletedProcess[str]]
LONG = ", ".join(["a"] * 37) + ", red hair ribbon, b"


@pytest.fixture
def captioned(advanced: Project) -> tuple[Path, str]:
    """A dataset, and the key of an item whose caption in wip is two chunks long, by hand."""
    root = advanced.dataset.root
    path = sorted((root / "wip").rglob("*.txt"))[0]
    path.unlink()
    path.write_text(LONG + "\n")
    return root, path.relative_to(root / "wip").with_suffix("").as_posix()


def test_show_prints_chunks_and_marks_what_is_cut(captioned: tuple[Path, str], dsk: Dsk) -> None:
    root, key = captioned
    done = dsk(root, "prompt", "show", key)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == [*f"{key} in wip: 79 tokens in 2 chunks of 75".split()]
    assert [*["chunk", "1:", "75", "of", "75"]] in lines
    assert [*["chunk", "2:", "4", "of", "75"]] in lines
    assert [*["1", "red", "hair", "ribbon,", "<-", "cut"]] in lines
    assert [*["3", "red", "hair", "ribbon,", "<-", "cut"]] in lines
    assert "sd-scripts cuts here" in done.stdout.splitlines()[-1]


def test_show_as_json(captioned: tuple[Path, str], dsk: Dsk) -> None:
    root, key = captioned
    shown = json.loads(dsk(root, "prompt", "show", f"wip/{key}.txt", "--json").stdout)
    assert (shown["key"], shown["stage"], shown["text"], shown["num_tokens"]) == (key, "wip", LONG, 79)
    assert [chunk["num_tokens"] for chunk in shown["chunks"]] == [75, 4]
    assert shown["chunks"][1]["pieces"][0] == {"text": "red hair ribbon,", "num_tokens": 3, "cut": True}


def test_show_another_stage(captioned: tuple[Path, str], dsk: Dsk) -> None:
    root, key = captioned
    done = dsk(root, "prompt", "show", key, "--stage", "cleaned")
    assert f"{key} in cleaned: " in done.stdout
    assert "cut" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody",), "no item 'nobody'"),
        (("KEY", "--stage", "clean"), "did you mean 'cleaned'"),
        (("KEY", "--stage", "filtered"), "has no caption in filtered"),
    ],
)
def test_show_says_what_is_off(captioned: tuple[Path, str], dsk: Dsk, words: tuple[str, ...], said: str) -> None:
    root, key = captioned
    done = dsk(root, "prompt", "show", *(key if word == "KEY" else word for word in words))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_convert_needs_no_dataset(tmp_path: Path, dsk: Dsk) -> None:
    done = dsk(tmp_path, "prompt", "convert", "--from", "nai", "--to", "a1111", "{{1girl}}, -1::hat::")
    assert done.stdout == "(1girl:1.1025), (hat:-1)\n"
    assert done.stderr == "note: 'hat': a weight below 0 is NovelAI's; consider the negative prompt\n"


def test_a_text_may_begin_with_a_weight_below_zero(tmp_path: Path, dsk: Dsk) -> None:
    done = dsk(tmp_path, "prompt", "convert", "--from", "nai", "--to", "a1111", "-1::hat::, x")
    assert done.stdout == "(hat:-1), x\n"


def test_convert_reads_standard_input_line_by_line_as_it_is(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "datakit",
        "-C",
        str(tmp_path),
        "prompt",
        "convert",
        "--from",
        "a1111",
        "--to",
        "comfy",
    ]
    done = subprocess.run(words, input="(a:1.2),\nkaname \\[art\\]\n", capture_output=True, text=True, check=True)
    assert done.stdout == "(a:1.2),\nkaname [art]\n"


def test_convert_as_json(tmp_path: Path, dsk: Dsk) -> None:
    done = dsk(tmp_path, "prompt", "convert", "--from", "a1111", "--to", "plain", "--json", "--", "(a:1.2)")
    assert json.loads(done.stdout) == {"text": "a", "notes": ["weights are left out: a caption has none"]}


def test_an_unknown_language_names_the_nearest(tmp_path: Path, dsk: Dsk) -> None:
    done = dsk(tmp_path, "prompt", "convert", "--from", "a111", "--to", "plain", "x")
    assert done.returncode == 2
    assert "no prompt language 'a111'" in done.stderr
    assert "a1111" in done.stderr
