"""One dataset in several places: cloned, pulled, pushed, with its images or without them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again, all_files, assert_clean, paint

from datakit.actions.advancing import advance
from datakit.actions.branching import switch
from datakit.actions.cloning import clone, pull, push
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.errors import InputError, RepositoryError, StateError
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history

Git = Callable[..., str]
needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")


@pytest.fixture
def bare(tmp_path: Path, git: Git) -> Path:
    folder = tmp_path / "nas" / "set.git"
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "--bare", "-b", "main")
    return folder


@pytest.fixture
def without_images(advanced: Project, tmp_path: Path, git: Git) -> Path:
    """A plain clone by git without git-lfs: pointers' texts where images should be."""
    git(tmp_path, "clone", "-q", str(advanced.dataset.root), "texts", env={"GIT_LFS_SKIP_SMUDGE": "1"})
    return tmp_path / "texts"


def test_a_clone_has_everything(advanced: Project, tmp_path: Path, git: Git) -> None:
    (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_text("mine")
    advance(again(advanced))
    done = clone(str(advanced.dataset.root), tmp_path / "copy")
    assert done.images.missing == ()
    assert all_files(tmp_path / "copy") == all_files(advanced.dataset.root)
    assert_clean(tmp_path / "copy", git)
    assert advance(open_project(tmp_path / "copy")) == []
    raw, wip = (tmp_path / "copy" / stage / "aria/danbooru_1.png" for stage in ("raw", "wip"))
    assert raw.stat().st_ino == wip.stat().st_ino or open_project(tmp_path / "copy").dataset.linker is not None
    for _ in range(7):
        undo(open_project(tmp_path / "copy").dataset)
    assert_clean(tmp_path / "copy", git)


def test_undo_in_a_clone_finds_images_of_the_past(advanced: Project, tmp_path: Path) -> None:
    root = advanced.dataset.root
    before = (root / "raw/aria/danbooru_0.png").read_bytes()
    for path in root.glob("raw/aria/danbooru_0.*"):
        path.unlink()
    advance(again(advanced))
    copy = Path(clone(str(root), tmp_path / "copy").root)
    while not (copy / "raw/aria/danbooru_0.png").exists():
        undo(open_project(copy).dataset)
    assert (copy / "raw/aria/danbooru_0.png").read_bytes() == before


@pytest.mark.parametrize("seed", range(4))
def test_every_image_of_the_history_goes_along(advanced: Project, bare: Path, dsk, seed: int) -> None:
    """Whatever order Python's sets have."""
    root = advanced.dataset.root
    paint(root / "raw/aria/danbooru_0.png", (seed, 1, 1))
    advance(again(advanced))
    for path in root.glob("*/beth/danbooru_0.*"):
        path.unlink()
    advance(again(advanced))
    assert dsk(root, "push", str(bare), env={"PYTHONHASHSEED": str(seed)}).returncode == 0
    ours = {path.name for path in (root / ".git/lfs/objects").glob("*/*/*")}
    assert {path.name for path in (bare / "lfs/objects").glob("*/*/*")} == ours
    assert len(ours) == 6


def test_by_way_of_a_bare_repository(advanced: Project, bare: Path, tmp_path: Path, scrape, git: Git) -> None:
    root = advanced.dataset.root
    git(root, "remote", "add", "origin", str(bare))
    first = push(advanced)
    assert first.images.num_images == 5
    assert push(again(advanced)).images.num_images == 0
    copy = Path(clone(str(bare), tmp_path / "copy").root)
    assert all_files(copy) == all_files(root)
    import_folder(open_project(copy), scrape("more", cleo=2))
    advance(open_project(copy))
    assert push(open_project(copy)).images.num_images == 2
    done = pull(again(advanced))
    assert (done.images.num_images, done.merged, done.is_new) == (2, None, True)
    assert all_files(root) == all_files(copy)
    assert not pull(again(advanced)).is_new
    assert_clean(root, git)
    git(bare, "fsck", "--strict")


def test_work_in_both_copies_is_merged(advanced: Project, bare: Path, tmp_path: Path, git: Git) -> None:
    root = advanced.dataset.root
    push(advanced, str(bare))
    copy = Path(clone(str(bare), tmp_path / "copy").root)
    (copy / "wip/aria/danbooru_0.txt").write_text("there, 1girl")
    push(open_project(copy))
    (root / "wip/aria/danbooru_1.txt").write_text("here, 1girl")
    with pytest.raises(StateError, match="has operations that are not here"):
        push(again(advanced), str(bare))
    done = pull(again(advanced), str(bare))
    assert done.merged is not None
    assert done.merged.conflicts == ()
    assert (root / "wip/aria/danbooru_0.txt").read_text() == "there, 1girl"
    assert (root / "wip/aria/danbooru_1.txt").read_text() == "here, 1girl"
    push(again(advanced), str(bare))
    pull(open_project(copy))
    assert (copy / "wip/aria/danbooru_1.txt").read_text() == "here, 1girl"
    assert open_project(copy).dataset.head == again(advanced).dataset.head
    assert_clean(root, git)
    assert_clean(copy, git)


def test_branches_go_along(advanced: Project, bare: Path, tmp_path: Path, git: Git) -> None:
    push(advanced, str(bare))
    git(advanced.dataset.root, "remote", "add", "nas", str(bare))
    switch(again(advanced), "idea", create=True)
    (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_text("idea")
    push(again(advanced))
    assert "idea" in git(bare, "branch", "--list", "idea")
    assert git(advanced.dataset.root, "config", "branch.idea.remote") == "nas\n"


def test_a_clone_without_images_works_for_captions(
    advanced: Project, without_images: Path, git: Git, tmp_path: Path
) -> None:
    root = without_images
    status = read_status(open_project(root))
    assert status.hand_edits == ()
    assert len(status.missing) == 35
    assert status.missing[0].startswith("captioned/")
    (root / "captioned/aria/danbooru_0.txt").write_text("1girl, by_hand")
    done = advance(open_project(root))
    assert [one.stage for one in done] == ["cleaned", "wip", "export"]
    assert (root / "wip/aria/danbooru_0.txt").read_text() == "1girl, by hand"
    assert_clean(root, git)
    (root / "dsk.toml").write_text("[filtered.too-small]\nmin_side_px = 100\n")
    with pytest.raises(StateError, match=r"filtered: must look at images that are not in this clone: aria/danbooru_0"):
        advance(open_project(root))
    (root / "dsk.toml").unlink()
    git(root, "checkout", "-q", "dsk.toml")
    pulled = pull(open_project(root))
    assert pulled.images.num_images == 5
    assert read_status(open_project(root)).missing == ()
    assert (root / "raw/aria/danbooru_0.png").read_bytes() == (
        advanced.dataset.root / "raw/aria/danbooru_0.png"
    ).read_bytes()
    assert_clean(root, git)


def test_images_that_come_by_another_way_are_put_in_their_places(
    advanced: Project, without_images: Path, git: Git
) -> None:
    shutil.copytree(advanced.dataset.root / ".git/lfs/objects", without_images / ".git/lfs/objects", dirs_exist_ok=True)
    assert read_status(open_project(without_images)).missing == ()
    advance(open_project(without_images))
    assert (without_images / "wip/beth/danbooru_0.png").read_bytes().startswith(b"\x89PNG")
    assert_clean(without_images, git)


def test_a_copy_that_lacks_images_too_is_told_of(without_images: Path, tmp_path: Path) -> None:
    done = clone(str(without_images), tmp_path / "second")
    assert len(done.images.missing) == 5
    assert (tmp_path / "second/wip/aria/danbooru_0.txt").exists()


def test_a_damaged_image_over_there_is_not_taken(advanced: Project, tmp_path: Path) -> None:
    dataset = advanced.dataset
    ref = dataset.image_ref("raw/aria/danbooru_0.png", dataset.entry("raw/aria/danbooru_0.png").oid)  # type: ignore[union-attr]
    assert ref is not None
    path = dataset.lfs.path(ref.sha256)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)
    done = clone(str(dataset.root), tmp_path / "copy")
    assert [one.sha256 for one in done.images.damaged] == [ref.sha256]
    assert not open_project(tmp_path / "copy").dataset.lfs.has(ref)


def test_what_cannot_be_cloned(advanced: Project, tmp_path: Path, git: Git) -> None:
    with pytest.raises(InputError, match="no such folder"):
        clone(str(tmp_path / "nowhere"), tmp_path / "copy")
    (tmp_path / "plain").mkdir()
    with pytest.raises(InputError, match="holds no git repository"):
        clone(str(tmp_path / "plain"), tmp_path / "copy")
    git(tmp_path / "plain", "init", "-q")
    git(tmp_path / "plain", "commit", "-q", "--allow-empty", "-m", "empty")
    with pytest.raises(InputError, match="no dataset"):
        clone(str(tmp_path / "plain"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").touch()
    with pytest.raises(InputError, match="is there already"):
        clone(str(advanced.dataset.root), tmp_path / "full")


def test_what_cannot_be_pushed(advanced: Project, tmp_path: Path, git: Git) -> None:
    with pytest.raises(StateError, match="no other copy is known"):
        push(advanced)
    with pytest.raises(RepositoryError, match="no remote 'orgin'"):
        push(advanced, "orgin")
    copy = Path(clone(str(advanced.dataset.root), tmp_path / "copy").root)
    (copy / "wip/aria/danbooru_0.txt").write_text("mine")
    with pytest.raises(StateError, match="stands on main itself"):
        push(open_project(copy))
    assert next(history(open_project(copy).dataset)).op == "edit"


def test_a_clone_killed_while_images_come_is_a_clone_without_images(
    advanced: Project, tmp_path: Path, dsk, git: Git
) -> None:
    code = (
        "import os, signal, datakit.actions.cloning as cloning\n"
        "cloning.fetch_images = lambda *rest, **more: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from pathlib import Path\n"
        f"cloning.clone({str(advanced.dataset.root)!r}, Path({str(tmp_path / 'copy')!r}))\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False, env=os.environ, capture_output=True)
    assert killed.returncode == -9, killed.stderr
    done = dsk(tmp_path / "copy", "pull")
    assert done.returncode == 0, done.stderr
    assert all_files(tmp_path / "copy") == all_files(advanced.dataset.root)
    assert_clean(tmp_path / "copy", git)


def test_a_clone_killed_half_way_is_finished_by_the_next_command(
    advanced: Project, tmp_path: Path, dsk, git: Git
) -> None:
    code = (
        "import os, signal, datakit.repo.operations.steps as steps\n"
        "steps.checkout = lambda *rest: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from pathlib import Path\n"
        "from datakit.actions.cloning import clone\n"
        f"clone({str(advanced.dataset.root)!r}, Path({str(tmp_path / 'copy')!r}))\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False, env=os.environ, capture_output=True)
    assert killed.returncode == -9, killed.stderr
    assert dsk(tmp_path / "copy", "status").returncode == 0
    assert all_files(tmp_path / "copy") == all_files(advanced.dataset.root)
    assert_clean(tmp_path / "copy", git)


@needs_lfs
def test_git_lfs_itself_agrees(advanced: Project, tmp_path: Path, git: Git) -> None:
    copy = Path(clone(str(advanced.dataset.root), tmp_path / "copy").root)
    git(copy, "lfs", "install", "--local")
    assert "OK" in git(copy, "lfs", "fsck")
    assert git(copy, "status", "--porcelain") == ""


def test_in_a_terminal(advanced: Project, tmp_path: Path, dsk) -> None:
    done = dsk(tmp_path, "clone", str(advanced.dataset.root), "copy")
    assert done.returncode == 0, done.stderr
    assert "5 images" in done.stdout
    assert done.stdout.endswith("next: cd copy, then dsk status\n")
    assert "nothing new" in dsk(tmp_path / "copy", "pull").stdout
