"""What a person does to a dataset, and what must hold afterwards: shared by tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.model.order import COMPUTED
from datakit.repo.operations.transaction import session
from datakit.repo.oplog import history

STAGES = ("raw", *COMPUTED)


def again(project: Project) -> Project:
    """The dataset as a new process finds it."""
    return open_project(project.dataset.root)


def item_files(project: Project, key: str) -> dict[str, bytes]:
    """Path → content of every file of an item in the stages."""
    root = project.dataset.root
    found = (path for stage in STAGES for path in (root / stage).glob(f"{key}.*"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(found)}


def all_files(root: Path) -> dict[str, bytes]:
    """Path → content of every file in a dataset's folders."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.glob("[a-z]*/**/*.*")}


def remove_item(project: Project, *stages: str, key: str) -> None:
    """Delete an item's files by hand, and take note of it."""
    root = project.dataset.root
    for stage in stages or STAGES:
        for path in (root / stage).glob(f"{key}.*"):
            path.unlink()
    commit_edits(project)


def commit_edits(project: Project) -> None:
    """Run an operation that does nothing itself."""
    with session(again(project).dataset):
        pass


def paint(path: Path, colour: str | tuple[int, ...] = (9, 9, 9)) -> None:
    """Put another picture where one is, or none, as an editor does that replaces files."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (300, 300), colour).save(path)


def head(project: Project) -> str:
    """The newest commit."""
    return next(history(project.dataset)).commit


def assert_clean(root: Path, git: Callable[..., str]) -> None:
    """Plain git sees nothing to do and no damage, and dsk sees no hand edits."""
    assert git(root, "status", "--porcelain") == ""
    git(root, "fsck", "--strict")
    assert read_status(open_project(root)).hand_edits == ()
