"""Regularization pictures by the smallest model: made, imported with their captions, marked, gone on with."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.classgen import with_mark
from datakit.actions.project import Project, open_project
from datakit.exports.settings import Concept

SETTINGS = """\
[bake.sample]  # small
steps = 1
size = [64, 64]
[bake.train]
threads = 1
"""


def classgen(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "datakit", "classgen", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_pictures_of_a_class_become_a_concept(project: Project, git: Callable[..., str]) -> None:
    root = project.dataset.root
    (root / "dsk.toml").write_text(SETTINGS)
    done = classgen(root, "girls", "--prompt", "1girl, {solo|solo}", "--count", "2", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["report"]["concepts"] == {"girls": 2}
    assert said["report"]["aside"] == []
    assert said["report"]["recognised"] == {"classgen": 2}
    seeds = set()
    for number in (1, 2):
        stem = root / "raw" / "girls" / f"1girl-solo_000{number}"
        assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert stem.with_suffix(".txt").read_text() == "1girl, solo"
        upstream = json.loads(stem.with_suffix(".json").read_text())["upstream"]
        assert (upstream["source"], upstream["prompt"], upstream["steps"]) == ("dsk classgen", "1girl, solo", "1")
        seeds.add(upstream["seed"])
    assert len(seeds) == 2
    toml = (root / "dsk.toml").read_text()
    assert toml.startswith(SETTINGS)
    assert tomllib.loads(toml)["export"]["concepts"]["girls"] == {"is_reg": True}
    assert open_project(root).export_asked("kohya").common.concepts["girls"] == Concept(is_reg=True)
    assert git(root, "status", "--porcelain") == ""
    subjects = git(root, "log", "-2", "--format=%s").splitlines()
    assert subjects == ["classgen: girls is for regularization", "import: 2 images from classgen (1 concept)"]
    assert not list((root / ".dsk" / "classgen").iterdir())

    again = classgen(root, "girls", "--prompt", "1girl, {solo|solo}", "--count", "3")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[0] == "1 picture in raw/girls, 2 were there"
    assert len(list((root / "raw" / "girls").glob("*.png"))) == 3


def test_a_subjects_own_images_are_not_marked(project: Project) -> None:
    root = project.dataset.root
    toml = (root / "dsk.toml").read_text()
    refused = classgen(root, "aria", "--prompt", "1girl", "--count", "1")
    assert refused.returncode == 2, refused.stderr
    assert "concept 'aria' has images already" in refused.stderr
    assert (root / "dsk.toml").read_text() == toml
    assert not (root / ".dsk" / "classgen").exists()


def test_the_trainers_refusal_is_told(project: Project) -> None:
    root = project.dataset.root
    refused = classgen(root, "girls", "--prompt", "1girl", "--count", "1", "--size", "63")
    assert refused.returncode == 3, refused.stderr
    assert "try 64x64" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (root / "raw" / "girls").exists()
    assert not list((root / ".dsk" / "classgen").iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine\n[export]\nrepeats = 2 # two\n",
        "[export]\n[export.concepts.aria]\nrepeats = 3\n[bake.train]\nsteps = 1\n",
        "[export.concepts]\naria = { repeats = 3 }\n",
        "[export.concepts.girls]\nclass_tokens = 'girl'\r\n",
        "[export.kohya]\nresolution = 64\n",
        "export = { repeats = 2 }\n",
    ],
)
def test_the_mark_changes_nothing_else(text: str) -> None:
    new = with_mark(text, "girls")
    assert new is not None
    meant = tomllib.loads(text)
    meant.setdefault("export", {}).setdefault("concepts", {}).setdefault("girls", {})["is_reg"] = True
    assert tomllib.loads(new) == meant
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in new.splitlines() if line.startswith("#")
    ]


@pytest.mark.parametrize("text", ["export = 1\n", "[export]\nconcepts = []\n", "[export.concepts]\ngirls = 3\n", "["])
def test_settings_that_cannot_be_added_to_are_left_alone(text: str) -> None:
    assert with_mark(text, "girls") is None
