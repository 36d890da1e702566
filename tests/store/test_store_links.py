"""One image in several places: few bytes, and never the store's own inode."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from datakit.store.links import Linker

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "store-object"
    path.write_bytes(b"image")
    path.chmod(0o444)
    os.utime(path, ns=(10**18, 10**18))
    return path


@pytest.fixture
def linker(tmp_path: Path) -> Linker:
    return Linker(tmp_path / "scratch")


def place(linker: Linker, content: Path, target: Path, donor: Path | None = None) -> str:
    return linker.place(content, str(target), donor=str(donor) if donor else None).strategy


def scratch(linker: Linker) -> list[str]:
    return os.listdir(linker._scratch)


def inodes(*paths: Path) -> int:
    return len({path.stat().st_ino for path in paths})


def test_places_share_one_inode_that_is_not_the_stores(linker: Linker, content: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"set/{stage}/a/x.png" for stage in ("raw", "filtered", "wip"))
    if place(linker, content, first) == "reflink":
        pytest.skip("this file system has reflinks")
    assert place(linker, content, second, first) == place(linker, content, third, second) == "hardlink"
    assert inodes(first, second, third) == 1
    assert inodes(first, content) == 2
    assert content.stat().st_nlink == 1
    assert stat.S_IMODE(third.stat().st_mode) == 0o444, "writing through one name would change every other"
    assert third.read_bytes() == b"image"
    assert third.stat().st_mtime_ns == 10**18
    assert scratch(linker) == []


def test_a_file_in_the_way_is_replaced_not_written_into(linker: Linker, content: Path, tmp_path: Path) -> None:
    target, other = tmp_path / "x.png", tmp_path / "other.png"
    target.write_bytes(b"before")
    os.link(target, other)
    place(linker, content, target)
    assert target.read_bytes() == b"image"
    assert other.read_bytes() == b"before"
    assert scratch(linker) == []


def test_placing_over_its_own_hard_link_leaves_no_second_name(linker: Linker, content: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "x.png", tmp_path / "y.png"
    place(linker, content, first)
    for _ in range(2):
        place(linker, content, second, first)
    place(linker, content, first, first)
    assert first.read_bytes() == second.read_bytes() == b"image"
    assert scratch(linker) == [], "rename(2) does nothing when both names are one inode"


def test_a_donor_that_is_gone_is_done_without(linker: Linker, content: Path, tmp_path: Path) -> None:
    assert place(linker, content, tmp_path / "x.png", tmp_path / "gone.png") != "hardlink"
    assert (tmp_path / "x.png").read_bytes() == b"image"


def test_where_links_are_refused_there_are_copies(content: Path, tmp_path: Path) -> None:
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    donor = SHARED_MEMORY / f"dsk-test-{os.getpid()}.png"
    donor.write_bytes(b"image")
    try:
        linker = Linker(tmp_path / "scratch")
        first, second = tmp_path / "x.png", tmp_path / "y.png"
        assert place(linker, content, first, donor) in {"copy", "reflink"}
        assert place(linker, content, second, first) in {"copy", "reflink"}
    finally:
        donor.unlink()
    assert inodes(first, second, content) == 3
    assert first.read_bytes() == second.read_bytes() == b"image"
    if linker._can_hardlink is False and not linker._reflinks:
        assert second.stat().st_mode & 0o200, "a private copy may be written to"
    assert scratch(linker) == []


def test_an_object_over_the_buffer_is_placed_whole(linker: Linker, tmp_path: Path) -> None:
    content = tmp_path / "big"
    content.write_bytes(os.urandom(1 << 20) * 17)
    place(linker, content, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == content.read_bytes()
