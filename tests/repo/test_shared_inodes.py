"""Several stages share one inode: what somebody does through one name is kept there, and undone under the others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.advancing import advance
from datakit.actions.project import Project, open_project
from datakit.repo.operations.transaction import transaction
from datakit.repo.oplog import history

Git = Callable[..., str]
STAGES = ("raw", "filtered", "edited", "captioned", "cleaned", "wip")
NAME = "aria/danbooru_0.png"


@pytest.fixture
def names(advanced: Project) -> dict[str, Path]:
    """The same picture in each stage, by stage; skipped where the file system shares no inodes."""
    root = advanced.dataset.root
    found = {stage: root / stage / NAME for stage in STAGES}
    (found["export"],) = [path for path in root.glob("export/**/danbooru_0.png") if "aria" in str(path)]
    if len({path.stat().st_ino for path in found.values()}) > 1:
        pytest.skip("stages share no inodes here")
    return found


def save(project: Project) -> list[str]:
    """Run an operation that changes nothing itself; the subjects of all."""
    with transaction(open_project(project.dataset.root).dataset, "look"):
        pass
    return [operation.subject for operation in history(open_project(project.dataset.root).dataset)]


def write_in_place(path: Path, change: Callable[[Path], object]) -> bytes:
    path.chmod(0o644)
    change(path)
    return path.read_bytes()


def assert_kept_in_wip_only(project: Project, names: dict[str, Path], before: bytes, after: bytes, git: Git) -> None:
    assert save(project)[0] == "wip: 1 image edited"
    assert names["wip"].read_bytes() == after
    assert {stage for stage, path in names.items() if path.read_bytes() != before} == {"wip"}
    assert git(project.dataset.root, "status", "--porcelain") == ""
    git(project.dataset.root, "fsck", "--strict")
    assert save(project)[0] == "wip: 1 image edited", "once"


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(10)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\x89PNG\r\n\x1a\nother")


@pytest.mark.parametrize("change", [truncate, empty, append, overwrite])
@pytest.mark.parametrize("through", ["raw", "export"])
def test_what_is_written_in_place_stays_on_the_bench(
    advanced: Project, names: dict[str, Path], git: Git, through: str, change: Callable[[Path], None]
) -> None:
    before = names["raw"].read_bytes()
    after = write_in_place(names[through], change)
    assert all(path.read_bytes() == after for path in names.values()), "the harm is done through one name"
    assert_kept_in_wip_only(advanced, names, before, after, git)


def test_where_the_bench_has_its_own_the_last_stage_that_shares_keeps_it(
    advanced: Project, names: dict[str, Path], git: Git
) -> None:
    before = names["raw"].read_bytes()
    names["wip"].unlink()
    names["wip"].write_bytes(before + b"mine")
    after = write_in_place(names["edited"], append)
    save(advanced)
    assert names["wip"].read_bytes() == before + b"mine"
    assert names["cleaned"].read_bytes() == after
    assert all(names[stage].read_bytes() == before for stage in ("raw", "filtered", "edited", "captioned", "export"))
    assert git(advanced.dataset.root, "status", "--porcelain") == ""


def test_an_editor_that_renames_changes_one_stage_only(advanced: Project, names: dict[str, Path], git: Git) -> None:
    before = names["raw"].read_bytes()
    fresh = names["edited"].with_name(".danbooru_0.png.swp")
    fresh.write_bytes(before + b"retouched")
    fresh.replace(names["edited"])
    assert save(advanced)[0] == "edited: 1 image edited"
    assert {stage for stage, path in names.items() if path.read_bytes() != before} == {"edited"}
    advance(open_project(advanced.dataset.root), "wip")
    assert names["wip"].read_bytes() == before + b"retouched"
    assert names["raw"].read_bytes() == before
    assert git(advanced.dataset.root, "status", "--porcelain") == ""


def test_a_permission_or_a_time_is_no_edit(advanced: Project, names: dict[str, Path], git: Git) -> None:
    root, count = advanced.dataset.root, len(save(advanced))
    names["wip"].chmod(0o644)
    assert git(root, "status", "--porcelain") == ""
    assert len(save(advanced)) == count
    os.utime(names["raw"])
    assert len(save(advanced)) == count
    assert git(root, "status", "--porcelain") == ""


def test_two_pictures_written_to_at_once(advanced: Project, names: dict[str, Path], git: Git) -> None:
    root = advanced.dataset.root
    other = root / "raw/beth/danbooru_0.png"
    before = names["raw"].read_bytes(), other.read_bytes()
    write_in_place(names["filtered"], append)
    write_in_place(other, truncate)
    assert save(advanced)[0] == "wip: 2 images edited"
    assert (names["raw"].read_bytes(), other.read_bytes()) == before
    assert (root / "wip/beth/danbooru_0.png").stat().st_size == 10
    assert git(root, "status", "--porcelain") == ""
