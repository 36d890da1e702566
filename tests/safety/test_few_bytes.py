"""One image, few bytes: what seven stages take on the disk, and what happens where nothing can be shared."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harm import assert_sound, dsk_words, user_files
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.project import open_project
from datakit.actions.starting import start_dataset
from datakit.store.links import try_strategy

Git = Callable[..., str]
SHARED_MEMORY = Path("/dev/shm")


def pictures(folder: Path, number: int = 4, side_px: int = 256) -> Path:
    for i in range(number):
        path = folder / f"aria/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.frombytes("RGB", (side_px, side_px), os.urandom(3 * side_px * side_px)).save(path, compress_level=1)
        path.with_suffix(".txt").write_text(f"1girl, hat, number_{i}")
    return folder


def disk_bytes(root: Path) -> int:
    """As du counts: blocks, each inode once."""
    stats = {(stat.st_dev, stat.st_ino): stat for stat in (path.lstat() for path in root.rglob("*"))}
    return sum(stat.st_blocks * 512 for stat in stats.values())


def make(root: Path, scrape: Path) -> Path:
    start_dataset(root)
    import_folder(open_project(root), scrape)
    advance(open_project(root))
    return root


@pytest.fixture
def second_disk(tmp_path: Path) -> Iterator[Path]:
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    folder = SHARED_MEMORY / f"dsk-test-{os.getpid()}-{tmp_path.name}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_seven_stages_and_the_store_take_twice_the_images(tmp_path: Path) -> None:
    strategy = try_strategy(tmp_path)
    if strategy != "hardlink":
        pytest.skip(f"this file system has {strategy}, which blocks of inodes do not tell")
    scrape = pictures(tmp_path / "scrape", number=8, side_px=1100)
    unique = sum(path.stat().st_size for path in scrape.rglob("*.png"))
    root = make(tmp_path / "set", scrape)
    assert len(list(root.glob("[a-z]*/**/*.png"))) == 8 * 7
    assert disk_bytes(root) <= 2.1 * unique


def test_a_scrape_on_another_file_system(second_disk: Path, tmp_path: Path, git: Git) -> None:
    root = make(tmp_path / "set", pictures(second_disk / "scrape"))
    assert_sound(root, git)
    assert len({path.stat().st_ino for path in root.glob("[a-z]*/**/0.png")}) in {1, 7}


def test_the_store_on_another_file_system(second_disk: Path, tmp_path: Path, git: Git) -> None:
    root = tmp_path / "set"
    git(tmp_path, "init", "-q", "-b", "main", "--separate-git-dir", str(second_disk / "git"), str(root))
    make(root, pictures(tmp_path / "scrape"))
    assert (root / ".git").is_file()
    assert len(list((second_disk / "git/lfs/objects").glob("*/*/*"))) == 4
    assert_sound(root, git)
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    advance(open_project(root))
    assert_sound(root, git)


def test_where_links_are_refused_every_file_is_a_copy(tmp_path: Path, git: Git) -> None:
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-qq", "-o", os.devnull, "true"], check=False).returncode:
        pytest.skip("strace is not there, or may not trace, so links cannot be refused")
    root = start_dataset(tmp_path / "set")
    import_folder(open_project(root), pictures(tmp_path / "scrape"))
    before = user_files(root)
    words = [
        strace,
        "-f",
        "-qq",
        "-o",
        os.devnull,
        "-e",
        "trace=?link,?linkat",
        "-e",
        "inject=?link,?linkat:error=EPERM",
    ]
    done = subprocess.run([*words, *dsk_words(root, "advance")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_sound(root, git)
    assert before.items() <= user_files(root).items()
    copies = list(root.glob("[a-z]*/**/0.png"))
    assert len({path.stat().st_ino for path in copies}) == len(copies) == 7


def test_a_file_system_without_links(tmp_path: Path, git: Git) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mkfs.vfat") is None:
        pytest.skip("needs root and mkfs.vfat")
    disk, folder = tmp_path / "disk.img", tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(64 << 20)
    folder.mkdir()
    subprocess.run(["mkfs.vfat", str(disk)], check=True, capture_output=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop,utf8", str(disk), str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"vfat cannot be mounted here: {mounted.stderr.strip()}")
    try:
        root = make(folder / "set", pictures(tmp_path / "scrape"))
        copies = list(root.glob("[a-z]*/**/0.png"))
        assert len({path.stat().st_ino for path in copies}) == len(copies) == 7
        assert_sound(root, git)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
