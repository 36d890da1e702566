"""Copies that are named oddly, hold what they should not, or got there by other programs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from hands import all_files, assert_clean
from PIL import Image

from datakit.actions.branching import merge, switch
from datakit.actions.cloning import clone, pull, push
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.errors import DskError, InputError, RepositoryError, StateError
from datakit.repo.dataset import Dataset
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import encode_commit, history
from datakit.store.objects import FILE_MODE, TREE_MODE, Entry

Git = Callable[..., str]


def again(root: Path) -> Project:
    return open_project(root)


def painted(path: Path, colour: str) -> None:
    path.unlink(missing_ok=True)
    Image.new("RGB", (300, 301), colour).save(path)


def hostile(dataset: Dataset) -> bytes:
    """A commit on top of HEAD whose tree has `wip/../../evil.txt`."""
    objects = dataset.objects
    evil = objects.put_tree({"evil.txt": Entry(FILE_MODE, objects.blob(b"harm"))})
    up = objects.put_tree({"..": Entry(TREE_MODE, evil)})
    top = objects.tree(dataset.head_tree or b"")
    top["wip"] = Entry(TREE_MODE, objects.put_tree({**objects.tree(top["wip"].oid), "..": Entry(TREE_MODE, up)}))
    made = objects.put("commit", encode_commit(dataset, objects.put_tree(top), [dataset.head or b""], "harm\n"))
    objects.flush()
    return made


def test_paths_are_meant_from_where_the_person_is(
    advanced: Project, tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = advanced.dataset.root
    (tmp_path / "nas ü").mkdir()
    git(tmp_path / "nas ü", "init", "-q", "--bare", "-b", "main", "set.git")
    monkeypatch.chdir(root / "wip")
    assert push(again(root), "../../nas ü/set.git").images.num_images == 5
    monkeypatch.chdir(tmp_path)
    done = clone("nas ü/set.git", Path("copy"))
    assert all_files(Path(done.root)) == all_files(root)
    monkeypatch.chdir("/")
    (root / "wip/aria/danbooru_0.txt").write_text("mine")
    push(again(root), (tmp_path / "nas ü/set.git").as_uri())
    assert pull(again(tmp_path / "copy")).is_new
    assert (tmp_path / "copy/wip/aria/danbooru_0.txt").read_text() == "mine"


def test_other_branches_come_with_their_images(advanced: Project, tmp_path: Path, git: Git) -> None:
    root = advanced.dataset.root
    switch(advanced, "idea", create=True)
    painted(root / "wip/aria/danbooru_0.png", "red")
    switch(again(root), "main")
    there = (root / "wip/aria/danbooru_0.png").read_bytes()
    copy = Path(clone(str(root), tmp_path / "copy").root)
    assert switch(again(copy), "idea").branch.name == "idea"
    assert (copy / "wip/aria/danbooru_0.png").read_bytes() != there
    assert read_status(again(copy)).hand_edits == ()
    assert git(copy, "config", "branch.idea.merge") == "refs/heads/idea\n"
    switch(again(copy), "main")
    assert merge(again(copy), "origin/idea").num_operations == 1
    assert_clean(copy, git)


def test_the_past_of_a_plain_clone_comes_by_pull(advanced: Project, tmp_path: Path, git: Git) -> None:
    root = advanced.dataset.root
    painted(root / "wip/aria/danbooru_0.png", "red")
    past = (root / "wip/aria/danbooru_0.png").read_bytes()
    switch(again(root), "keep", create=True)
    painted(root / "wip/aria/danbooru_0.png", "blue")
    switch(again(root), "main", create=False)
    switch(again(root), "keep")
    git(tmp_path, "clone", "-q", "-b", "keep", str(root), "copy", env={"GIT_LFS_SKIP_SMUDGE": "1"})
    copy = tmp_path / "copy"
    assert b"git-lfs" in (copy / "wip/aria/danbooru_0.png").read_bytes()
    assert pull(again(copy)).images.num_images == 7
    assert all_files(copy) == all_files(root)
    undo(again(copy).dataset)
    assert (copy / "wip/aria/danbooru_0.png").read_bytes() == past
    assert_clean(copy, git)


def test_what_plain_git_fetched_is_not_taken_for_here(advanced: Project, tmp_path: Path, git: Git) -> None:
    root = advanced.dataset.root
    copy = Path(clone(str(root), tmp_path / "copy").root)
    painted(root / "wip/aria/danbooru_0.png", "red")
    switch(again(root), "other", create=True)  # commits the edit on main first
    switch(again(root), "main")
    git(copy, "fetch", "-q")
    assert pull(again(copy)).images.num_images == 1
    assert all_files(copy) == all_files(root)


def test_nothing_hostile_comes_by_clone_or_pull(advanced: Project, tmp_path: Path, git: Git) -> None:
    root = advanced.dataset.root
    copy = Path(clone(str(root), tmp_path / "copy").root)
    advanced.dataset.repo.references["refs/heads/main"].set_target(pygit2.Oid(raw=hostile(advanced.dataset)))
    before = all_files(copy)
    with pytest.raises(DskError, match="nothing was written"):
        pull(again(copy))
    (copy / "wip/beth/danbooru_0.txt").write_text("mine")
    with pytest.raises(DskError, match="nothing was written"):
        pull(again(copy))
    assert all_files(copy) == {**before, "wip/beth/danbooru_0.txt": b"mine"}
    with pytest.raises(DskError, match="nothing was written"):
        clone(str(root), tmp_path / "another")
    assert not (tmp_path / "another").exists()
    assert not list(tmp_path.glob("**/evil.txt"))
    assert (
        git(copy, "status", "--porcelain") == " M wip/beth/danbooru_0.txt\n"
        or read_status(again(copy)).hand_edits == ()
    )


def test_without_git_it_says_so(advanced: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RepositoryError, match="git is not installed"):
        clone(str(advanced.dataset.root), tmp_path / "copy")
    with pytest.raises(RepositoryError, match="no remote 'nas'"):
        push(advanced, "nas")
    with pytest.raises(StateError, match="no other copy is known"):
        pull(advanced)


def test_an_option_is_no_address(advanced: Project, tmp_path: Path) -> None:
    for word in ("--upload-pack=touch x:", f"--upload-pack=touch {tmp_path}/x"):
        with pytest.raises(DskError):
            clone(word, tmp_path / "copy")
        with pytest.raises(DskError):
            pull(advanced, word)
    assert not list(tmp_path.glob("x*"))


def test_a_half_written_image_over_there_counts_as_missing(advanced: Project, tmp_path: Path) -> None:
    root = advanced.dataset.root
    victim = next(path for path in (root / ".git/lfs/objects").rglob("*") if path.is_file())
    size = victim.stat().st_size
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-1])
    done = clone(str(root), tmp_path / "copy")
    assert [ref.size_bytes for ref in done.images.missing] == [size]
    status = read_status(again(tmp_path / "copy"))
    assert status.hand_edits == ()


def test_an_empty_or_detached_source(advanced: Project, tmp_path: Path, git: Git) -> None:
    git(tmp_path, "init", "-q", "--bare", "empty.git")
    with pytest.raises(InputError, match="no dataset"):
        clone(str(tmp_path / "empty.git"), tmp_path / "copy")
    root = advanced.dataset.root
    git(root, "checkout", "-q", "--detach")
    done = clone(str(root), tmp_path / "copy")
    assert done.branch == "main"
    assert all_files(Path(done.root)) == all_files(root)


def test_a_pull_that_only_moves_on_can_be_taken_back_step_by_step(advanced: Project, tmp_path: Path, git: Git) -> None:
    root = advanced.dataset.root
    copy = Path(clone(str(root), tmp_path / "copy").root)
    before = all_files(copy)
    (root / "wip/aria/danbooru_0.txt").write_text("mine")
    undo(again(root).dataset)
    (root / "wip/aria/danbooru_1.txt").write_text("mine too")
    switch(again(root), "x", create=True)
    assert pull(again(copy)).is_new
    assert next(history(again(copy).dataset)).subject == "wip: 1 caption edited"
    undo(again(copy).dataset)
    assert all_files(copy) == before
    assert_clean(copy, git)


def test_a_copy_on_a_disk_that_went_away(advanced: Project, tmp_path: Path) -> None:
    root = advanced.dataset.root
    copy = Path(clone(str(root), tmp_path / "copy").root)
    shutil.move(root, tmp_path / "elsewhere")
    head = again(copy).dataset.head
    for act in (pull, push):
        with pytest.raises(DskError) as caught:
            act(again(copy))
        assert caught.value.hint
    assert again(copy).dataset.head == head


def test_a_new_bare_repository_whose_head_is_another_branch(advanced: Project, tmp_path: Path, git: Git) -> None:
    git(tmp_path, "init", "-q", "--bare", "-b", "master", "nas.git")
    push(advanced, str(tmp_path / "nas.git"))
    done = clone(str(tmp_path / "nas.git"), tmp_path / "copy")
    assert done.branch == "main"
    assert all_files(tmp_path / "copy") == all_files(advanced.dataset.root)
    (tmp_path / "copy/wip/aria/danbooru_0.txt").write_text("mine")
    push(again(tmp_path / "copy"))
    assert_clean(tmp_path / "copy", git)
