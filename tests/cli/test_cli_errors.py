"""What a person sees: one line that names the file and the cure, an exit code by class, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.project import Project

Dsk = Callable[..., subprocess.CompletedProcess[str]]


def test_outside_a_dataset_every_command_says_so(tmp_path: Path, dsk: Dsk) -> None:
    for words in ("status", "lint", "log", "undo", "advance", "filter", "export", "bake", "sample"):
        done = dsk(tmp_path, words)
        assert done.returncode == 4, words
        assert done.stderr.startswith("error: ")
        assert "not inside a dsk dataset" in done.stderr
        assert "hint:  dsk init" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("advnce",), 2, "did you mean 'advance'?"),
        (("advance", "cleand"), 2, "did you mean 'cleaned'?"),
        (("lint", "wpi"), 2, "did you mean 'wip'?"),
        (("lint", "--unsafe-fixes"), 2, "goes with --fix"),
        (("export", "--format", "khoya"), 2, "did you mean 'kohya'?"),
        (("import", "nowhere"), 6, "no such file or folder"),
        (("import", "dsk.toml"), 6, "no images or metadata in it"),
        (("import", "raw", "--from", "galery_dl"), 2, "the dataset's own raw"),
        (("advance",), 8, "raw has no images yet"),
        (("export",), 8, "wip is empty"),
        (("bake",), 8, "wip is not exported yet"),
        (("sample",), 8, "nothing baked yet"),
        (("undo",), 8, "nothing to undo"),
    ],
)
def test_a_mistake_is_one_line_with_a_cure(
    empty: Project, dsk: Dsk, words: tuple[str, ...], code: int, message: str
) -> None:
    done = dsk(empty.dataset.root, *words)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert message in done.stderr


def test_an_unexported_change_stops_a_bake_with_what_to_do(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text("mine")
    done = dsk(root, "bake")
    assert done.returncode == 8
    assert "the kohya export is out of date: wip changed" in done.stderr
    assert "dsk export --format kohya" in done.stderr


def test_a_bad_bake_key_is_named_by_the_trainer(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text("[bake.train]\nstpes = 3\n")
    done = dsk(root, "bake")
    assert done.returncode == 3, done.stderr
    assert "did you mean 'steps'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bake_without_the_trainer_says_the_line_to_run(advanced: Project, tmp_path: Path) -> None:
    blocker = (
        "import importlib.util as u, sys; real = u.find_spec;"
        "u.find_spec = lambda name, *rest: None if name == 'torch' else real(name, *rest);"
        "sys.argv = ['dsk', 'bake']; from datakit.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocker], cwd=advanced.dataset.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 9
    assert "the trainer needs torch" in done.stderr
    assert "pip install 'dsk[train]'" in done.stderr


@pytest.mark.parametrize("words", ["status", "log", "lint", "export", "advance"])
def test_json_can_be_read(advanced: Project, dsk: Dsk, words: str) -> None:
    done = dsk(advanced.dataset.root, words, "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)


def test_lint_json_has_the_agreed_shape_and_the_exit_code_of_errors(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    (root / "raw/aria/danboru_1.txt").write_text("a caption of image danbooru_1")
    (root / "wip/aria/danbooru_2.txt").unlink()
    done = dsk(root, "lint", "--json")
    assert done.returncode == 1
    findings = json.loads(done.stdout)["findings"]
    assert {"code", "name", "item", "path", "message", "fixable"} <= set(findings[0])
    assert {(one["name"], one["path"]) for one in findings if one["severity"] == "error"} == {
        ("orphaned-caption", "raw/aria/danboru_1.txt"),
        ("missing-caption", "wip/aria/danbooru_2.png"),
    }


def test_a_foreign_repository_is_not_taken_over(tmp_path: Path, dsk: Dsk, git: Callable[..., str]) -> None:
    git(tmp_path, "init", "-q", "theirs")
    git(tmp_path / "theirs", "commit", "-q", "--allow-empty", "-m", "theirs")
    done = dsk(tmp_path, "init", "theirs")
    assert done.returncode == 4
    assert "commits that dsk did not make" in done.stderr
    assert dsk(tmp_path, "init", "theirs/inside").returncode == 4
    (tmp_path / "theirs/.gitignore").write_text("/scratch/\n")
    done = dsk(tmp_path, "init", "theirs/scratch/set")
    assert done.returncode == 0, done.stderr
    assert git(tmp_path / "theirs/scratch/set", "status", "--porcelain") == ""


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path, dsk: Dsk) -> None:
    (tmp_path / "file").write_text("x")
    done = dsk(tmp_path, "init", "file/set")
    assert done.returncode == 2
    assert "file: is a file" in done.stderr
    assert "Traceback" not in done.stderr


def test_output_that_nobody_reads_to_its_end_is_no_error(advanced: Project) -> None:
    line = f"{sys.executable} -m datakit -C {advanced.dataset.root} log | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("commit")
