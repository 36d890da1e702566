"""A dataset that may be read and not written: looking works, and what must write says why it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harm import dsk_words

from datakit.actions.project import Project


@pytest.fixture
def sealed(advanced: Project) -> Iterator[Path]:
    """A dataset of which nothing may be written."""
    root = advanced.dataset.root
    paths = [root, *root.rglob("*")]
    modes = {path: path.stat().st_mode & 0o777 for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & 0o555)
    yield root
    for path, mode in modes.items():
        path.chmod(mode)


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run dsk without root's right to write everywhere."""
    line = dsk_words(root, *words)
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv, or a person who is not root")
        line = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", *line]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_verify_looks_without_a_lock(sealed: Path) -> None:
    done = run(sealed, "verify", "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("no damage\n")
    done = run(sealed, "verify")
    assert done.returncode == 7
    assert "must be writable" in done.stderr


def test_a_branch_cannot_be_made(sealed: Path) -> None:
    done = run(sealed, "branch", "x")
    assert done.returncode == 7
    assert "refs/heads: not writable" in done.stderr
    assert "must be writable" in done.stderr
