"""Ways to harm a dataset, and to see whether it is whole."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from datakit.actions.project import open_project
from datakit.actions.reporting import read_status
from datakit.actions.verifying import verify_dataset

Git = Callable[..., str]


def flip(path: Path, at: int = -1) -> None:
    """Flip one bit as a failing disk does: time, size, inode and permissions stay. `at` < 0: in the middle."""
    stat = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        place = at if at >= 0 else stat.st_size // 2
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 16]))
    path.chmod(stat.st_mode & 0o777)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def user_files(root: Path) -> dict[str, str]:
    """Path → sha256 of every file of the work tree."""
    found: dict[str, str] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in {".git", ".dsk"}]
        for name in names:
            path = Path(folder, name)
            found[path.relative_to(root).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def kept_contents(root: Path) -> set[str]:
    """sha256 of everything that is in the work tree, in a commit of a reference, or in the store."""
    rows = subprocess.run(
        ["git", "-C", str(root), "rev-list", "--objects", "--all"], capture_output=True, check=True
    ).stdout.splitlines()
    batch = subprocess.run(
        ["git", "-C", str(root), "cat-file", "--batch"],
        input=b"\n".join(row[:40] for row in rows), capture_output=True, check=True,
    ).stdout  # fmt: skip
    found = set(user_files(root).values())
    at = 0
    while at < len(batch):
        end = batch.index(b"\n", at)
        size = int(batch[at:end].split()[2])
        found.add(hashlib.sha256(batch[end + 1 : end + 1 + size]).hexdigest())
        at = end + size + 2
    return found | {path.name for path in root.glob(".git/lfs/objects/*/*/*")}


def assert_sound(root: Path, git: Git) -> None:
    """Nothing damaged, nothing half done, and git says so too."""
    verified = verify_dataset(open_project(root), repair=False)
    assert verified.damages == ()
    assert verified.missing == ()
    assert read_status(open_project(root)).hand_edits == ()
    assert git(root, "status", "--porcelain") == ""
    git(root, "fsck", "--strict")
    assert not list(root.glob(".git/**/*.lock"))


def dsk_words(root: Path, *words: str) -> list[str]:
    """The words that run dsk on a dataset."""
    return [sys.executable, "-B", "-m", "datakit", "-C", str(root), *words]
