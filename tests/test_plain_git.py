"""Plain git and git-lfs read what dsk writes, and find it clean."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.project import open_project
from datakit.actions.reporting import read_status

Dsk = Callable[..., subprocess.CompletedProcess[str]]
Git = Callable[..., str]
HAS_LFS = shutil.which("git-lfs") is not None
needs_lfs = pytest.mark.skipif(not HAS_LFS, reason="git-lfs is not installed")


@pytest.fixture
def lfs_home(tmp_path: Path) -> dict[str, str]:
    """A home where a person ran `git lfs install`."""
    home = tmp_path / "lfs-home"
    home.mkdir()
    env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    subprocess.run(["git", "lfs", "install"], check=True, capture_output=True, env={**os.environ, **env})
    return env


STEPS = ("lint --fix", "filter", "edit", "caption", "clean", "wip", "export --format kohya", "undo", "advance")


@pytest.mark.parametrize("with_lfs", [False, pytest.param(True, marks=[needs_lfs, pytest.mark.slow])])
def test_status_is_clean_after_every_command(
    tmp_path: Path, scrape: Callable[..., Path], dsk: Dsk, git: Git, request: pytest.FixtureRequest, with_lfs: bool
) -> None:
    env = request.getfixturevalue("lfs_home") if with_lfs else {}
    folder = tmp_path / "set"
    assert dsk(tmp_path, "init", "set", env=env).returncode == 0
    assert git(folder, "status", "--porcelain", env=env) == ""
    for words in [("import", str(scrape())), *(step.split() for step in STEPS)]:
        done = dsk(folder, *words, env=env)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        assert git(folder, "status", "--porcelain", env=env) == "", words
    git(folder, "fsck", "--strict", env=env)
    assert "filter: lfs" in git(folder, "check-attr", "filter", "raw/aria/danbooru_0.png")
    assert git(folder, "show", "HEAD:raw/aria/danbooru_0.png").startswith(
        "version https://git-lfs.github.com/spec/v1\n"
    )
    if with_lfs:
        assert "fsck OK" in git(folder, "lfs", "fsck", env=env)


@needs_lfs
def test_a_plain_clone_has_the_same_files_and_dsk_works_in_it(
    tmp_path: Path, scrape: Callable[..., Path], dsk: Dsk, git: Git, lfs_home: dict[str, str]
) -> None:
    folder, clone = tmp_path / "set", tmp_path / "clone"
    dsk(tmp_path, "init", "set")
    dsk(folder, "import", str(scrape()))
    assert dsk(folder, "advance").returncode == 0
    git(tmp_path, "clone", "-q", str(folder), str(clone), env=lfs_home)
    ours = {path.relative_to(folder): path.read_bytes() for path in folder.glob("[a-z]*/**/*.*")}
    theirs = {path.relative_to(clone): path.read_bytes() for path in clone.glob("[a-z]*/**/*.*")}
    assert ours == theirs
    assert len(ours) > 40
    assert dsk(clone, "status", env=lfs_home).returncode == 0
    assert read_status(open_project(clone)).hand_edits == ()
    (clone / "wip/aria/danbooru_0.txt").write_text("mine")
    assert dsk(clone, "advance", env=lfs_home).returncode == 0
    assert git(clone, "status", "--porcelain", env=lfs_home) == ""
