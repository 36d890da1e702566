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

import datakit.repo.operations.steps as steps_module
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.repo.operations.transaction import transaction
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


class Killed(BaseException):
    """Ends everything at once, as SIGKILL does, but lets the test go on."""


@pytest.mark.parametrize("renamed", [False, True], ids=["edited", "renamed"])
@pytest.mark.parametrize("moved", [False, True], ids=["before the branch moved", "after it"])
def test_hand_edits_survive_a_kill_while_they_are_committed(
    advanced: Project, git: Git, monkeypatch: pytest.MonkeyPatch, moved: bool, renamed: bool
) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text("written by hand")
    (root / "wip/aria/danbooru_1.txt").unlink()
    (root / "wip/aria/own.txt").write_text("new")
    (root / "raw/beth/danbooru_0.png").unlink()  # it shares its inode
    (root / "raw/beth/danbooru_0.png").write_bytes(b"an image of one's own")
    if renamed:
        for path in list(root.glob("raw/aria/danbooru_2.*")):
            path.rename(path.with_stem("smiling"))

    def die(*arguments: object) -> None:
        raise Killed

    monkeypatch.setattr(steps_module, "checkout" if moved else "_forward", die)
    with pytest.raises(Killed), transaction(open_project(root).dataset, "look"):
        pass
    monkeypatch.undo()
    assert (root / ".dsk/journal.json").exists()
    status = read_status(open_project(root))
    assert not (root / ".dsk/journal.json").exists()
    assert bool(status.hand_edits) is not moved
    for _ in range(2):
        assert (root / "wip/aria/danbooru_0.txt").read_text() == "written by hand"
        assert not (root / "wip/aria/danbooru_1.txt").exists()
        assert (root / "wip/aria/own.txt").read_text() == "new"
        assert (root / "raw/beth/danbooru_0.png").read_bytes() == b"an image of one's own"
        assert (root / "raw/aria/smiling.png").exists() is renamed
        assert (root / "raw/aria/danbooru_2.png").exists() is not renamed
        with transaction(open_project(root).dataset, "look"):
            pass
    assert git(root, "status", "--porcelain") == ""
    git(root, "fsck", "--strict")
