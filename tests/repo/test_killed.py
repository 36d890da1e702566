"""kill -9 at any point leaves the old state or the new one, and the next command tidies up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.repo.oplog import history

Git = Callable[..., str]
DELAYS_S = (0.1, 0.2, 0.25, 0.3, 0.35, 0.4)


def start(root: Path, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "datakit", "-C", str(root), *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def kill_after(process: subprocess.Popen[bytes], delay_s: float) -> None:
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def assert_whole(project: Project, git: Git, subjects: list[str]) -> None:
    """The history is a beginning of what was asked for, and the work tree is what it says."""
    root = project.dataset.root
    status = read_status(open_project(root))
    assert status.hand_edits == ()
    assert git(root, "status", "--porcelain") == ""
    git(root, "fsck", "--strict")
    done = [operation.subject.partition(":")[0] for operation in history(open_project(root).dataset)]
    assert done[::-1] == subjects[: len(done)]
    for path in root.glob("raw/*/*.png"):
        assert path.stat().st_size > 0


@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_a_killed_import_is_there_or_not(empty: Project, scrape: Callable[..., Path], git: Git, delay_s: float) -> None:
    folder, root = scrape(aria=40, beth=40), empty.dataset.root
    kill_after(start(root, "import", str(folder)), delay_s)
    assert_whole(empty, git, ["init", "import"])
    images = len(list(root.glob("raw/*/*.png")))
    assert images in {0, 80}
    assert start(root, "import", str(folder)).wait() == 0
    assert len(list(root.glob("raw/*/*.png"))) == 80


@pytest.mark.parametrize("delay_s", [delay * 1.5 for delay in DELAYS_S])
def test_a_killed_advance_stops_between_two_stages(project: Project, git: Git, delay_s: float) -> None:
    stages = ["init", "import", "filtered", "edited", "captioned", "cleaned", "wip", "export"]
    kill_after(start(project.dataset.root, "advance"), delay_s)
    assert_whole(project, git, stages)
    assert start(project.dataset.root, "advance").wait() == 0
    assert_whole(project, git, stages)
    assert len(list(history(project.dataset))) == len(stages)


def test_a_second_command_waits_for_the_first(project: Project) -> None:
    first, second = start(project.dataset.root, "advance"), start(project.dataset.root, "advance")
    assert (first.wait(), second.wait()) == (0, 0)
    done = [operation.subject.partition(":")[0] for operation in history(project.dataset)]
    assert done.count("export") == done.count("wip") == 1
