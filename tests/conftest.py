"""Shared fixtures: an isolated git identity and home, a scraped folder, a dataset made of it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.starting import start_dataset

hypothesis.settings.register_profile("dsk", deadline=None)
hypothesis.settings.load_profile("dsk")  # a busy machine is slow, and that is no fault

Run = Callable[..., str]
Scrape = Callable[..., Path]

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ann Author",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann Author",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty home: whatever git and git-lfs settings the computer has, they play no part."""
    import pygit2

    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        for name, value in {**IDENTITY, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / ".config")}.items():
            patch.setenv(name, value)
        for level in (pygit2.enums.ConfigLevel.GLOBAL, pygit2.enums.ConfigLevel.XDG, pygit2.enums.ConfigLevel.SYSTEM):
            pygit2.settings.search_path[level] = str(folder)
        yield folder


@pytest.fixture
def git() -> Run:
    """Run git in a folder; its output, or an error that shows what git said."""

    def run(folder: Path, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None, code: int = 0) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            input=stdin,
            capture_output=True,
            env={**os.environ, **(env or {})},
            check=False,
        )
        assert done.returncode == code, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return os.fsdecode(done.stdout)

    return run


@pytest.fixture
def dsk() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run dsk in a process of its own, as a person does."""

    def run(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "datakit", "-C", str(folder), *words]
        return subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd="/", check=False
        )

    return run


@pytest.fixture
def scrape(tmp_path: Path) -> Scrape:
    """Make a folder as gallery-dl writes it: `scrape(aria=3, beth=2)`, every picture of another colour."""
    serial = itertools.count()

    def make(name: str = "scrape", *, size_px: tuple[int, int] = (260, 256), **concepts: int) -> Path:
        root = tmp_path / name
        for concept, number in (concepts or {"aria": 3, "beth": 2}).items():
            folder = root / "danbooru" / concept
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(number):
                colour = next(serial)
                path = folder / f"danbooru_{i}.png"
                Image.new("RGB", size_px, (colour * 7 % 256, colour // 256, 40 + i)).save(path)
                post = {
                    "category": "danbooru",
                    "id": colour + 1,
                    "rating": "s",
                    "tag_string_character": concept,
                    "tag_string_general": "1girl blue_hair ^_^",
                    "tag_string_artist": "me",
                    "tag_string_meta": "highres",
                }
                path.with_name(path.name + ".json").write_text(json.dumps(post))
        return root

    return make


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    """A dataset just begun."""
    return open_project(start_dataset(tmp_path / "set"))


@pytest.fixture
def project(empty: Project, scrape: Scrape) -> Project:
    """A dataset with three images of aria and two of beth in raw, no stage run yet."""
    import_folder(empty, scrape(aria=3, beth=2))
    return empty


@pytest.fixture
def advanced(project: Project) -> Project:
    """That dataset with all stages run."""
    advance(project)
    return project
