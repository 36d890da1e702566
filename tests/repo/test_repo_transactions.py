"""One command, one commit, or nothing at all: failing disks, other writers, repositories that are not ours."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.starting import start_dataset
from datakit.errors import ConfigError, LockedError, RepositoryError, StateError, WriteError
from datakit.repo.operations.transaction import transaction
from datakit.repo.operations.undo import undo
from datakit.repo.worktree.scan import scan

Git = Callable[..., str]
Dsk = Callable[..., subprocess.CompletedProcess[str]]


def everything(root: Path) -> dict[str, bytes]:
    """Every file of the work tree."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] not in {".git", ".dsk"}
    }


def state(project: Project, git: Git) -> tuple[str, str, str, dict[str, bytes]]:
    root = project.dataset.root
    return (
        git(root, "rev-parse", "HEAD"),
        git(root, "ls-files", "--stage"),
        git(root, "status", "--porcelain"),
        everything(root),
    )


def assert_sound(project: Project, git: Git) -> None:
    root = project.dataset.root
    git(root, "fsck", "--strict")
    assert git(root, "status", "--porcelain") == ""
    assert scan(open_project(root).dataset).edits == []
    assert not (root / ".dsk/journal.json").exists()
    assert not (root / ".git/index.lock").exists()


def test_a_commit_has_its_trailers_and_its_author(project: Project, git: Git) -> None:
    root = project.dataset.root
    text = git(root, "log", "-1", "--format=%an <%ae>%n%s%n%(trailers:only,unfold)")
    who, subject, *trailers = text.strip().splitlines()
    assert who == "Ann Author <ann@example.org>"
    assert subject == "import: 5 images from gallery-dl (2 concepts)"
    assert trailers[0] == "Dsk-Op: import"
    assert trailers[1].startswith('Dsk-Args: {"path":"')
    assert trailers[2].startswith("Dsk-Version: ")
    advance(project, "filtered")
    assert git(root, "log", "-1", "--format=%(trailers:key=Dsk-Stage,valueonly)").strip() == "filtered"
    undone = git(root, "rev-parse", "HEAD").strip()
    undo(project.dataset)
    assert git(root, "log", "-1", "--format=%(trailers:key=Dsk-Undoes,valueonly)").strip() == undone


def test_an_operation_that_raises_leaves_everything_as_it_was(project: Project, git: Git) -> None:
    before = state(project, git)
    with contextlib.suppress(ZeroDivisionError), transaction(project.dataset, "broken") as txn:
        txn.put("wip/aria/x.txt", b"never")
        txn.put("wip/aria/y.txt", bytes(1 // 0))
    assert state(project, git) == before
    assert_sound(project, git)


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [100, 600, 2_000, 6_000])
@pytest.mark.parametrize("command", ["import", "advance"])
def test_files_that_may_not_grow_fail_the_command_and_nothing_else(
    project: Project, scrape: Callable[..., Path], git: Git, command: str, size: int
) -> None:
    root = project.dataset.root
    words = ["import", str(scrape("more", cleo=90))] if command == "import" else ["advance", "filtered"]
    before = state(project, git)
    done = subprocess.run(
        [sys.executable, "-m", "datakit", "-C", str(root), *words],
        capture_output=True, text=True, preexec_fn=limited(size), check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.returncode in {1, 7}, done.stderr
        # A disk that refuses even the way back leaves the journal, and the next command goes on from it.
        assert state(project, git) == before or (root / ".dsk/journal.json").exists()
    open_project(root)
    assert_sound(project, git)
    fresh = open_project(root)
    if command == "import":
        import_folder(fresh, root.parent / "more")
        assert len(list(root.glob("raw/cleo/*.png"))) == 90
    else:
        advance(fresh, "filtered")
    assert_sound(project, git)


@pytest.fixture
def frozen(project: Project) -> Iterator[Path]:
    """A folder of the work tree in which nothing can be made, not even by root."""
    folder = project.dataset.root / "filtered"
    done = subprocess.run(["chattr", "+i", str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("chattr +i is not to be had here")
    yield folder
    subprocess.run(["chattr", "-i", str(folder)], check=True)


def test_a_work_tree_that_cannot_follow_takes_the_branch_back(project: Project, git: Git, frozen: Path) -> None:
    before = state(project, git)
    with pytest.raises(WriteError, match="filtered"):
        advance(project)
    assert state(project, git) == before
    assert_sound(project, git)
    assert list(frozen.iterdir()) == []
    subprocess.run(["chattr", "-i", str(frozen)], check=True)
    advance(open_project(project.dataset.root))
    assert_sound(project, git)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_fails_the_command_and_nothing_else(small_disk: Path, tmp_path: Path, git: Git) -> None:
    noise, project = tmp_path / "noise", open_project(start_dataset(small_disk / "set"))
    noise.mkdir()
    for i in range(8):  # the store holds them, the work tree beside it does not
        Image.frombytes("RGB", (300, 300), os.urandom(270_000)).save(noise / f"{i}.png")
    before = state(project, git)
    with pytest.raises(WriteError, match="No space left"):
        import_folder(project, noise)
    assert state(project, git) == before
    assert_sound(project, git)
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    import_folder(open_project(project.dataset.root), noise)
    assert len(list(project.dataset.root.glob("raw/*/*.png"))) == 8
    assert_sound(project, git)


def test_a_branch_that_git_moved_meanwhile_is_noticed(project: Project, git: Git) -> None:
    root = project.dataset.root
    with transaction(project.dataset, "slow") as txn:
        txn.put("wip/aria/x.txt", b"ours")
        git(root, "commit", "-q", "--allow-empty", "-m", "theirs")
        with pytest.raises(LockedError, match="moved meanwhile"):
            txn.commit("slow: never")
    assert git(root, "log", "-1", "--format=%s") == "theirs\n"
    assert not (root / "wip/aria").exists()
    assert_sound(project, git)
    advance(open_project(root))
    assert_sound(project, git)


def test_a_lock_of_git_is_waited_out_by_the_person(project: Project, git: Git) -> None:
    root = project.dataset.root
    before = state(project, git)
    lock = root / ".git/index.lock"
    lock.write_bytes(b"")
    with pytest.raises(LockedError, match=r"index\.lock") as caught:
        advance(project)
    assert "delete that file" in caught.value.hint
    lock.unlink()
    assert state(project, git) == before
    assert_sound(project, git)
    ref = root / ".git/refs/heads/main.lock"
    ref.write_bytes(b"")
    with pytest.raises(WriteError, match="refs/heads/main") as refused:
        advance(project)
    assert "refs/heads/main.lock" in refused.value.hint
    ref.unlink()
    assert state(project, git) == before
    advance(project)
    assert_sound(project, git)


def test_a_detached_head_is_refused_and_a_branch_is_not(project: Project, git: Git) -> None:
    root = project.dataset.root
    git(root, "checkout", "-q", "--detach")
    with pytest.raises(RepositoryError, match="detached"):
        advance(open_project(root))
    git(root, "checkout", "-q", "-b", "try/this")
    advance(open_project(root))
    assert git(root, "rev-parse", "main") != git(root, "rev-parse", "try/this")
    assert_sound(project, git)


@pytest.mark.parametrize("mark", ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"])
def test_what_git_has_not_finished_is_refused(project: Project, mark: str) -> None:
    root = project.dataset.root
    (root / ".git" / mark).write_text(project.dataset.head.hex() + "\n" if project.dataset.head else "")
    with pytest.raises(RepositoryError, match="unfinished") as caught:
        open_project(root)
    assert "--abort" in caught.value.hint


def test_an_unknown_setting_names_the_nearest(project: Project) -> None:
    root = project.dataset.root
    for text, near in (("[filterd]\n", "filtered"), ("[filtered.too-small]\nmin_side = 1\n", "min_side_px")):
        (root / "dsk.toml").write_text(text)
        with pytest.raises(ConfigError) as caught:
            advance(open_project(root))
        assert near in caught.value.hint
    (root / "dsk.toml").write_text("[filtered\n")
    with pytest.raises(ConfigError, match=r"^dsk\.toml: not valid TOML") as caught:
        advance(open_project(root))
    assert "line" in caught.value.hint
    undo(open_project(root).dataset)
    assert "min_side_px" in (root / "dsk.toml").read_text(), "undo needs no settings"


def test_a_second_init_says_that_it_is_a_dataset(project: Project, git: Git) -> None:
    before = state(project, git)
    with pytest.raises(RepositoryError, match="a dsk dataset already"):
        start_dataset(project.dataset.root)
    assert state(project, git) == before


def test_an_empty_repository_of_ones_own_is_taken(tmp_path: Path, git: Git) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk", "mine")
    (tmp_path / "mine/.gitattributes").write_text("*.md text\n")
    root = start_dataset(tmp_path / "mine")
    assert git(root, "symbolic-ref", "HEAD") == "refs/heads/trunk\n"
    assert (root / ".gitattributes").read_text().startswith("*.md text\n")
    assert "filter: lfs" in git(root, "check-attr", "filter", "raw/a/x.png")
    assert_sound(open_project(root), git)
    with pytest.raises(StateError):
        undo(open_project(root).dataset)


def test_a_work_tree_added_by_git_shares_objects_and_works(advanced: Project, git: Git, tmp_path: Path) -> None:
    root, second = advanced.dataset.root, tmp_path / "second"
    git(root, "worktree", "add", "-q", "-b", "second", str(second))
    other = open_project(second)
    (second / "wip/aria/danbooru_0.txt").write_text("aria, in the second work tree")
    (second / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    advance(other)
    assert git(root, "show", "second:wip/aria/danbooru_0.txt").endswith("in the second work tree")
    git(root, "fsck", "--strict")
    assert git(root, "status", "--porcelain") == ""
    assert not list((root / ".git/worktrees/second").glob("objects")), "objects belong to the shared folder"


def test_a_shallow_clone_works_as_far_as_it_goes(advanced: Project, git: Git, tmp_path: Path) -> None:
    env = {"GIT_LFS_SKIP_SMUDGE": "1"}
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{advanced.dataset.root}", "shallow", env=env)
    clone = open_project(tmp_path / "shallow")
    (tmp_path / "shallow/wip/aria/danbooru_0.txt").write_text("mine")
    with transaction(clone.dataset, "look"):
        pass
    assert git(tmp_path / "shallow", "log", "-1", "--format=%s") == "wip: 1 caption edited\n"
    undo(clone.dataset)
    with pytest.raises(StateError, match="nothing to undo"):
        undo(clone.dataset)
    git(tmp_path / "shallow", "fsck", "--strict")
