"""The contenders of the import benchmark: dsk, git-lfs, dvc, and the least that any of them must do."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.benchmarks.timing import Contender

DVC_VERSION: Final = "3.67.1"

ENVIRONMENT: Final = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@localhost",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@localhost",
    "DVC_NO_ANALYTICS": "1",
}
"""Nobody's own settings, and no telemetry, in any contender."""


def call(argv: Sequence[str], cwd: Path) -> None:
    """Run a command quietly.

    Raises:
        RuntimeError: it failed; holds what it said.
    """
    done = subprocess.run(argv, cwd=cwd, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def dsk_command() -> list[str]:
    """The `dsk` of this Python's environment."""
    script = Path(sys.executable).with_name("dsk")
    return [str(script)] if script.exists() else [sys.executable, "-m", "datakit"]


def dsk(source: Path) -> Contender:
    """dsk import: hashes, stores, writes the work tree, commits."""
    command = dsk_command()
    return Contender(
        name="dsk",
        command="dsk import FOLDER",
        prepare=lambda folder: call([*command, "init", "set"], folder),
        run=lambda folder: call([*command, "import", str(source)], folder / "set"),
    )


def git_lfs(source: Path) -> Contender:
    """git with the git-lfs filters, by its defaults."""

    def prepare(folder: Path) -> None:
        call(["git", "init", "-q"], folder)
        call(["git", "lfs", "install", "--local"], folder)
        call(["git", "lfs", "track", "*.jpg"], folder)
        call(["git", "add", ".gitattributes"], folder)
        call(["git", "commit", "-q", "-m", "track jpg"], folder)

    def run(folder: Path) -> None:
        call(["cp", "-r", str(source), "raw"], folder)
        call(["git", "add", "raw"], folder)
        call(["git", "commit", "-q", "-m", "import"], folder)

    return Contender("git-lfs", "cp -r, git add, git commit (git lfs install --local)", prepare, run)


def dvc(source: Path, cache: Path) -> Contender:
    """dvc with its own cache, by its defaults; only its one-line manifest goes into git."""
    program = str(dvc_program(cache))

    def prepare(folder: Path) -> None:
        call(["git", "init", "-q"], folder)
        call([program, "init", "-q"], folder)
        call(["git", "commit", "-q", "-m", "dvc init"], folder)

    def run(folder: Path) -> None:
        call(["cp", "-r", str(source), "raw"], folder)
        call([program, "add", "-q", "raw"], folder)
        call(["git", "add", "raw.dvc", ".gitignore"], folder)
        call(["git", "commit", "-q", "-m", "import"], folder)

    return Contender("dvc", "cp -r, dvc add, git add, git commit", prepare, run)


def dvc_program(cache: Path) -> Path:
    """dvc in an environment of its own, installed on the first call."""
    home = cache / f"dvc-{DVC_VERSION}"
    program = home / "bin" / "dvc"
    done = home / ".done"
    if not done.exists():
        call([sys.executable, "-m", "venv", "--clear", str(home)], cache)
        call([str(home / "bin" / "pip"), "install", "-q", f"dvc=={DVC_VERSION}"], cache)
        done.touch()
    return program


def floor(source: Path) -> Contender:
    """What no tool with a store and a work tree can leave out: sha256, two copies, one sync; on all cores."""

    def prepare(folder: Path) -> None:
        (folder / "store").mkdir()
        (folder / "work").mkdir()

    def run(folder: Path) -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda path: _hash_and_write_twice(path, folder), sorted(source.iterdir())):
                pass
        os.sync()

    return Contender("floor", "sha256 and two written copies of each file, one sync", prepare, run)


def _hash_and_write_twice(path: Path, folder: Path) -> None:
    data = path.read_bytes()
    (folder / "store" / hashlib.sha256(data).hexdigest()).write_bytes(data)
    (folder / "work" / path.name).write_bytes(data)


def has_git_lfs() -> bool:
    """Whether git-lfs is installed."""
    return shutil.which("git-lfs") is not None


def version_of(argv: Sequence[str]) -> str:
    """First line that a program says of itself, or 'not found'."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not found"
    return done.stdout.strip().splitlines()[0]
