"""A full disk: one clear error, nothing half done, and the next command is fine once there is space."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harm import assert_sound, dsk_words, kept_contents, user_files
from PIL import Image

from datakit.actions.importing import import_folder
from datakit.actions.project import open_project
from datakit.actions.starting import start_dataset
from datakit.repo.oplog import history

Git = Callable[..., str]
SIZE_MB = 6


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes, where this computer lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"mount: {error}")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def noise(path: Path, side_px: int = 300) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.frombytes("RGB", (side_px, side_px), os.urandom(3 * side_px * side_px)).save(path)


def fill(folder: Path, keep_bytes: int) -> Path:
    """Take the disk's space but for some."""
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with ballast.open("wb") as file:
        for _ in range(max(0, free - keep_bytes) // 4096):
            file.write(b"\1" * 4096)
    return ballast


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(dsk_words(root, *words), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("keep_kb", [40, 500, 700, 1100])
def test_an_import_that_does_not_fit_did_not_happen(small_disk: Path, tmp_path: Path, git: Git, keep_kb: int) -> None:
    for number in range(2):
        noise(tmp_path / f"scrape/aria/{number}.png")
    root = start_dataset(small_disk / "set")
    mine = root / "raw/mine.txt"
    mine.write_text("written by hand")
    contents = set(user_files(root).values())
    ballast = fill(small_disk, keep_kb << 10)
    done = run(root, "import", str(tmp_path / "scrape"))
    if done.returncode == 0:
        assert keep_kb == 1100, "it takes twice the images: the store, and one copy for all stages"
    else:
        assert done.returncode == 7, done.stderr
        assert "No space left on device" in done.stderr or "git objects cannot be written" in done.stderr
        assert "hint:" in done.stderr
        assert "space" in done.stderr.partition("hint:")[2], done.stderr
        assert "Traceback" not in done.stderr
        assert contents <= kept_contents(root)
        assert mine.read_text() == "written by hand"
        assert not list(root.glob("raw/aria/*.png"))
    ballast.unlink()
    assert run(root, "import", str(tmp_path / "scrape")).returncode == 0
    assert len(list(root.glob("raw/aria/*.png"))) == 2
    assert mine.read_text() == "written by hand"
    assert_sound(root, git)


@pytest.mark.parametrize("keep_kb", [0, 24, 60, 200, 400])
def test_an_advance_that_does_not_fit_stops_between_two_stages(
    small_disk: Path, tmp_path: Path, git: Git, keep_kb: int
) -> None:
    noise(tmp_path / "scrape/aria/0.png")
    Image.new("RGBA", (300, 300), (1, 2, 3, 40)).save(tmp_path / "scrape/aria/clear.png")
    for name in ("0", "clear"):
        (tmp_path / f"scrape/aria/{name}.txt").write_text("1girl, hat")
    root = start_dataset(small_disk / "set")
    import_folder(open_project(root), tmp_path / "scrape")
    edited = root / "raw/aria/0.txt"
    edited.write_text("written by hand")
    ballast = fill(small_disk, keep_kb << 10)
    done = run(root, "advance")
    assert done.returncode in {0, 7}, done.stderr
    if done.returncode:
        assert "hint:" in done.stderr
        assert "space" in done.stderr.partition("hint:")[2], done.stderr
    assert edited.read_text() == "written by hand"
    ballast.unlink()
    git(root, "fsck", "--strict")
    assert run(root, "advance").returncode == 0
    assert edited.read_text() == "written by hand"
    assert_sound(root, git)
    stages = [operation.subject.partition(":")[0] for operation in history(open_project(root).dataset)]
    assert stages[::-1] == ["init", "import", "raw", "filtered", "edited", "captioned", "cleaned", "wip", "export"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
@pytest.mark.parametrize("limit_kb", [4, 100, 280])
def test_a_limit_on_a_files_size(tmp_path: Path, git: Git, limit_kb: int) -> None:
    for number in range(2):
        noise(tmp_path / f"scrape/aria/{number}.png", 350)
    root = start_dataset(tmp_path / "set")
    done = subprocess.run(
        dsk_words(root, "import", str(tmp_path / "scrape")), capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_kb << 10, limit_kb << 10)),
    )  # fmt: skip
    assert done.returncode == 7, (done.returncode, done.stderr)
    assert "File too large" in done.stderr
    assert "hint:" in done.stderr
    assert_sound(root, git)
    assert not list(root.glob("raw/aria/*.png"))
    assert run(root, "import", str(tmp_path / "scrape")).returncode == 0
    assert_sound(root, git)
