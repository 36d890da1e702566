"""What lint may not look into, or may not write to: it is told, and nothing stops."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harm import dsk_words

from datakit.actions.project import Project
from datakit.store.memo import Memo

RIGHTS = "-dac_override,-dac_read_search"


@pytest.fixture
def shut() -> Iterator[Callable[[Path], Path]]:
    """Take every right to a folder away, until the test ends."""
    folders: list[Path] = []

    def take(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0)
        folders.append(folder)
        return folder

    yield take
    for folder in folders:
        folder.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, scrape: Callable[..., Path]) -> Path:
    """Images with captions, one of which has a fault."""
    made = scrape("plain", aria=2)
    for image in sorted(made.rglob("*.png")):
        image.with_suffix(".txt").write_text("aria, 1girl, long_hair")
    return made


def lint(root: Path, *words: str, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run `dsk lint` without root's right to read everything."""
    line = dsk_words(root, "lint", *words)
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv, or a person who is not root")
        line = ["setpriv", f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}", *line]
    env = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(line, capture_output=True, text=True, check=False, env=env)


def test_a_folder_that_may_not_be_read_is_told(folder: Path, tmp_path: Path, shut: Callable[[Path], Path]) -> None:
    asked = (str(folder), "--select", "underscore-in-tag")
    assert lint(tmp_path, *asked, cache=tmp_path / "cache").returncode == 0
    shut(folder / "danbooru/secret")
    done = lint(tmp_path, *asked, cache=tmp_path / "cache")
    assert done.returncode == 1, done.stderr
    assert "danbooru/secret: error E003 unread-folder: cannot be looked into: Permission denied" in done.stdout
    assert "give yourself the right to read it" in done.stdout
    assert "long_hair" in done.stdout, "the other folders are looked at"


def test_a_link_to_what_may_not_be_read_is_told(folder: Path, tmp_path: Path, shut: Callable[[Path], Path]) -> None:
    (tmp_path / "far").mkdir()
    shutil.copy(next(folder.rglob("*.png")), tmp_path / "far/x.png")
    (folder / "x.png").symlink_to(tmp_path / "far/x.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    shut(tmp_path / "far")
    told = lint(tmp_path, str(folder), "--select", "underscore-in-tag", cache=tmp_path / "cache").stdout
    assert told.count("E003") == 1
    assert "x.png: error E003" in told


def test_a_cache_that_may_not_be_read_costs_only_time(
    folder: Path, tmp_path: Path, shut: Callable[[Path], Path]
) -> None:
    cache = tmp_path / "cache"
    first = lint(tmp_path, str(folder), cache=cache)
    assert (cache / "dsk").is_dir()
    for closed in (cache / "dsk", cache):
        shut(closed)
        again = lint(tmp_path, str(folder), cache=cache)
        assert (again.returncode, again.stdout, again.stderr) == (first.returncode, first.stdout, "")
        closed.chmod(0o755)


def test_a_memo_below_what_is_no_folder_remembers_nothing(tmp_path: Path) -> None:
    memo = Memo(tmp_path / ("x" * 300) / "memo.sqlite")
    memo.put([("key", b"value")])
    assert memo.get(["key"]) == {}


def test_a_dataset_that_may_only_be_read_is_linted(advanced: Project, tmp_path: Path) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text("aria, 1girl, long_hair")
    paths = [root, *root.rglob("*")]
    modes = {path: path.stat().st_mode & 0o777 for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & 0o555)
    try:
        done = lint(root, "wip", "--select", "underscore-in-tag", cache=tmp_path / "cache")
        fixed = lint(root, "wip", "--fix", cache=tmp_path / "cache")
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert (done.returncode, done.stderr) == (0, "")
    assert "long_hair" in done.stdout
    assert fixed.returncode == 7
    assert "must be writable" in fixed.stderr
    assert "Traceback" not in fixed.stderr


@pytest.mark.parametrize("option", ["--select", "--ignore", "--for"])
@pytest.mark.parametrize("words", ["", " , "])
def test_an_option_that_names_nothing_is_refused(
    folder: Path, dsk: Callable[..., subprocess.CompletedProcess[str]], option: str, words: str
) -> None:
    done = dsk(folder, "lint", str(folder), option, words)
    assert done.returncode == 2
    assert f"Invalid value for '{option}': names nothing" in done.stderr
