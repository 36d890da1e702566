"""Locks of references: a killed dsk's are taken over, a living git's are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from datakit.actions.advancing import advance
from datakit.actions.project import Project, open_project
from datakit.errors import LockedError
from datakit.repo.operations.transaction import transaction
from datakit.store import reflock
from datakit.store.reflock import take_over

Git = Callable[..., str]
OURS = {b"a" * 40, b"b" * 40}


def old_lock(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, (1, 1))
    return path


@pytest.mark.parametrize("content", [b"", b"a" * 40 + b"\n"])
def test_a_lock_that_dsk_left_goes(tmp_path: Path, content: bytes) -> None:
    lock = old_lock(tmp_path / "main.lock", content)
    assert take_over(lock, OURS)
    assert not lock.exists()
    assert take_over(lock, OURS), "none is there"


def test_anothers_lock_stays(tmp_path: Path) -> None:
    lock = old_lock(tmp_path / "main.lock", b"c" * 40 + b"\n")
    assert not take_over(lock, OURS)
    assert lock.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows what a process has open")
def test_a_lock_that_a_process_has_open_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflock, "_WAIT_S", 0.2)
    lock = old_lock(tmp_path / "main.lock", b"")
    held = "import sys; f = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", held, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as one:
        assert one.stdout is not None
        one.stdout.readline()
        assert not take_over(lock, OURS)
        assert lock.exists()
    assert take_over(lock, OURS)


def test_a_young_lock_may_be_a_living_gits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflock, "_WAIT_S", 0.2)
    lock = tmp_path / "main.lock"
    lock.write_bytes(b"")
    assert not take_over(lock, OURS)
    assert lock.exists()


def interrupted(project: Project, content: bytes) -> Path:
    """As a kill inside the move of the branch leaves it: journal and lock."""
    dataset = project.dataset
    tree = dataset.head_tree
    assert tree is not None
    head = (dataset.head or b"").hex()
    step = {"old": head, "new": head, "found": tree.hex(), "made": tree.hex()}
    (dataset.private / "journal.json").write_bytes(msgspec.json.encode(step))
    return old_lock(dataset.objects_folder.parent / "refs/heads/main.lock", content)


def test_the_next_command_goes_on_after_a_kill_inside_the_move(project: Project, git: Git) -> None:
    lock = interrupted(project, b"")
    advance(open_project(project.dataset.root))
    assert not lock.exists()
    assert git(project.dataset.root, "status", "--porcelain") == ""


def test_a_foreign_lock_is_named_and_stays(project: Project) -> None:
    lock = interrupted(project, b"c" * 40)
    with pytest.raises(LockedError, match=r"refs/heads/main.lock") as caught, transaction(project.dataset, "look"):
        pass
    assert "delete that file" in caught.value.hint
    assert lock.exists()
