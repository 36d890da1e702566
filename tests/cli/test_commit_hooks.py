"""The hooks for pre-commit: a commit of git is stopped where lint finds an error, and goes on where it is cured."""

from __future__ import annotations

import os
import shlex
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from datakit.actions.project import Project

ROOT = Path(__file__).parents[2]
Git = Callable[..., str]


def hooks() -> dict[str, dict[str, Any]]:
    """The hooks that the manifest declares, by id."""
    return {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}


def install(root: Path, hook: dict[str, Any], *args: str) -> None:
    """Have git run a hook's entry as pre-commit does: in the repository's root, with its own environment first."""
    words = [*shlex.split(hook["entry"]), *(args or hook.get("args", []))]
    path = root / ".git/hooks/pre-commit"
    path.parent.mkdir(exist_ok=True)
    environment = f"PATH={shlex.quote(str(Path(sys.executable).parent))}{os.pathsep}$PATH"
    path.write_text(f"#!/bin/sh\n{environment} exec {shlex.join(words)}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", ["dsk-lint", "dsk-lint-folder"])
def test_a_hook_has_what_pre_commit_needs(name: str) -> None:
    hook = hooks()[name]
    assert {"id", "name", "entry", "language"} <= hook.keys()
    assert (hook["language"], hook["pass_filenames"], hook["always_run"]) == ("python", False, True)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert shlex.split(hook["entry"])[0] in scripts


@pytest.mark.parametrize("words", [("commit", "-qam", "x"), ("commit", "-q", "-m", "x", "wip")])
def test_a_commit_in_a_dataset_is_stopped_by_an_error_and_goes_on_without(
    advanced: Project, git: Git, words: tuple[str, ...]
) -> None:
    root = advanced.dataset.root
    install(root, hooks()["dsk-lint"])
    caption = root / "wip/aria/danbooru_1.txt"
    before = git(root, "rev-parse", "HEAD")
    caption.write_bytes(b"")
    git(root, *words, code=1)
    assert git(root, "rev-parse", "HEAD") == before
    caption.write_text("aria, smile")
    git(root, *words)
    assert git(root, "rev-parse", "HEAD") != before
    assert git(root, "status", "--porcelain") == ""


def test_a_commit_of_a_plain_folder_is_stopped_by_an_error_and_goes_on_without(tmp_path: Path, git: Git) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (512, 512), "navy").save(tmp_path / "images/a.png")
    (tmp_path / "images/a.txt").write_bytes(b"")
    git(tmp_path, "add", ".")
    install(tmp_path, hooks()["dsk-lint-folder"], "images")
    git(tmp_path, "commit", "-qm", "x", code=1)
    (tmp_path / "images/a.txt").write_text("1girl, smile")
    git(tmp_path, "commit", "-qam", "x")
    assert git(tmp_path, "status", "--porcelain") == "", "lint writes nothing into the folder"
