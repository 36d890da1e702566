"""Files written by several processes: the same dataset, and as safe against kills and full disks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import datakit.actions.ingesting as ingesting_module
import datakit.repo.worktree.checkout as checkout_module
from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.actions.starting import start_dataset
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history
from datakit.repo.worktree import look as worktree
from datakit.store import parallel

Git = Callable[..., str]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

RUN = """
import resource, sys
from datakit.actions import ingesting
from datakit.repo.worktree import checkout
from datakit.repo.worktree import look as worktree
from datakit.store import parallel
ingesting.FORK_AT_LEAST = checkout._FORK_AT_LEAST = worktree.FORK_AT_LEAST = 1
parallel.NUM_PROCESSES, parallel._FORKED_BATCH = 2, 4
if limit := int(sys.argv.pop(1)):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from datakit.cli.main import main
main()
"""


def start(root: Path, *words: str, limit_bytes: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(limit_bytes), "-C", str(root), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def assert_whole(root: Path, git: Git) -> None:
    status = read_status(open_project(root))
    assert status.hand_edits == ()
    assert git(root, "status", "--porcelain") == ""
    git(root, "fsck", "--strict")


def contents(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file() and not {".git", ".dsk"} & set(path.parts))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths if path.suffix in {".png", ".txt"}}


def test_several_processes_make_the_same_dataset(
    empty: Project, scrape: Callable[..., Path], git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = scrape(aria=12, beth=9)
    (folder / "danbooru/aria/danbooru_3.txt").write_text("came along")
    (folder / "danbooru/beth/danbooru_4.png").chmod(0o644)
    other = open_project(start_dataset(tmp_path / "other"))
    import_folder(empty, folder)
    advance(empty)
    for module, name in ((ingesting_module, "FORK_AT_LEAST"), (worktree, "FORK_AT_LEAST")):
        monkeypatch.setattr(module, name, 1)
    monkeypatch.setattr(checkout_module, "_FORK_AT_LEAST", 1)
    monkeypatch.setattr(parallel, "NUM_PROCESSES", 2)
    seen: list[int] = []
    report = import_folder(other, folder, progress=lambda what, done, total: seen.append(done))
    assert seen == list(range(1, 22))
    assert report.concepts == {"aria": 12, "beth": 9}
    advance(other)
    assert_whole(other.dataset.root, git)
    assert contents(other.dataset.root) == contents(empty.dataset.root)
    undo(other.dataset)
    assert_whole(other.dataset.root, git)
    again = import_folder(open_project(other.dataset.root), folder)
    assert (again.num_imported, len(again.already)) == (0, 21)


def test_what_cannot_be_read_is_told_of_as_ever(
    empty: Project, scrape: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingesting_module, "FORK_AT_LEAST", 1)
    monkeypatch.setattr(parallel, "NUM_PROCESSES", 2)
    folder = scrape(aria=4)
    (folder / "danbooru/aria/danbooru_1.txt").write_bytes(b"caf\xe9")
    gone = folder / "danbooru/aria/danbooru_2.png"
    ingest_all = ingesting_module.ingest_all

    def removed_meanwhile(*arguments: object) -> object:
        gone.unlink()
        return ingest_all(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("datakit.actions.importing.ingest_all", removed_meanwhile)
    report = import_folder(empty, folder)
    assert [aside.path for aside in report.failed] == ["danbooru/aria/danbooru_2.png"]
    assert any("not UTF-8 (byte 3)" in note for note in report.notes)
    assert report.num_imported == 3


@pytest.mark.parametrize("delay_s", [0.3, 0.4, 0.5, 0.7])
def test_workers_whose_parent_is_killed_do_no_harm(
    empty: Project, scrape: Callable[..., Path], git: Git, delay_s: float
) -> None:
    """Only the parent is killed: its workers end by themselves, and the next command waits for them."""
    folder, root = scrape(aria=60, beth=60), empty.dataset.root
    process = start(root, "import", str(folder))
    time.sleep(delay_s)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    done = start(root, "import", str(folder))
    output, problems = done.communicate()
    assert done.returncode == 0, (output, problems)
    assert_whole(root, git)
    assert len(list(root.glob("raw/*/*.png"))) == 120
    assert [one.subject.partition(":")[0] for one in history(open_project(root).dataset)] == ["import", "init"]


def test_a_worker_that_meets_a_full_disk_takes_nothing_down(
    empty: Project, scrape: Callable[..., Path], git: Git
) -> None:
    folder, root = scrape(aria=30), empty.dataset.root
    (folder / "danbooru/aria/large.txt").write_bytes(b"x" * 300_000)
    before = empty.dataset.head
    process = start(root, "import", str(folder), limit_bytes=100_000)
    _, problems = process.communicate()
    assert process.returncode == 7, problems
    assert "Traceback" not in problems
    assert open_project(root).dataset.head == before
    assert_whole(root, git)
