"""Shared fixtures: an isolated git identity and home, a scraped folder, a dataset made of it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from forked import Forker
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.starting import start_dataset
from datakit.repo.operations.transaction import transaction

# Read when torch loads, also by programs that tests start: they share the cores with other tests, and threads that
# wait for each other on a busy core are many times slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

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


@pytest.fixture(scope="session")
def forker(home: Path) -> Iterator[Callable[[], Forker]]:
    """The process that dsk is forked from, started when it is first needed."""
    made: list[Forker] = []

    def get() -> Forker:
        if not made:
            made.append(Forker())
        return made[0]

    yield get
    for one in made:
        one.close()


@pytest.fixture
def dsk(forker: Callable[[], Forker]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run dsk in a process of its own, as a person does."""

    def run(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        full, words = {**os.environ, **(env or {})}, ("-C", str(folder), *words)
        if sys.platform == "linux" and forker().can_start(full):
            with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
                code = forker().start(words, env=full, stdout=out, stderr=err).wait()
                said = [(file.seek(0), file.read())[1] for file in (out, err)]
            return subprocess.CompletedProcess(["dsk", *words], code, *said)
        command = [sys.executable, "-m", "datakit", *words]
        return subprocess.run(command, capture_output=True, text=True, env=full, cwd="/", check=False)

    return run


def make_scrape(root: Path, serial: Iterator[int], *, size_px: tuple[int, int], concepts: dict[str, int]) -> None:
    for concept, number in concepts.items():
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


@pytest.fixture
def scrape(tmp_path: Path) -> Scrape:
    """Make a folder as gallery-dl writes it: `scrape(aria=3, beth=2)`, every picture of another colour."""
    serial = itertools.count()

    def make(name: str = "scrape", *, size_px: tuple[int, int] = (260, 256), **concepts: int) -> Path:
        make_scrape(tmp_path / name, serial, size_px=size_px, concepts=concepts or {"aria": 3, "beth": 2})
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def templates(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Datasets to copy, each made once: the fixtures below, by name."""
    folder = tmp_path_factory.mktemp("templates")

    def get(name: str) -> Path:
        root = folder / name
        if not root.exists():
            project = open_project(start_dataset(root))
            if name != "empty":
                make_scrape(folder / "scrape", itertools.count(), size_px=(260, 256), concepts={"aria": 3, "beth": 2})
                import_folder(project, folder / "scrape")
            if name == "advanced":
                advance(project)
        return root

    return get


def copied(source: Path, target: Path) -> Project:
    """A dataset with its hard links and times; git's index and dsk's memory then know the new files."""
    links: dict[int, str] = {}

    def copy(old: str, new: str) -> str:
        stat = os.lstat(old)
        if stat.st_nlink > 1 and stat.st_ino in links:
            os.link(links[stat.st_ino], new)
        else:
            shutil.copy2(old, new, follow_symlinks=False)
            links[stat.st_ino] = new
        return new

    shutil.copytree(source, target, symlinks=True, copy_function=copy)
    with transaction(open_project(target).dataset, "look"):
        pass
    return open_project(target)


@pytest.fixture
def empty(request: pytest.FixtureRequest, tmp_path: Path, templates: Callable[[str], Path]) -> Project:
    """A dataset just begun; where a test wants a later one as well, that one."""
    wanted = [name for name in ("advanced", "project", "empty") if name in request.fixturenames]
    return copied(templates(wanted[0]), tmp_path / "set")


@pytest.fixture
def project(empty: Project, scrape: Scrape) -> Project:
    """A dataset with three images of aria and two of beth in raw, no stage run yet."""
    scrape(aria=3, beth=2)
    return empty


@pytest.fixture
def advanced(project: Project) -> Project:
    """That dataset with all stages run."""
    return project
