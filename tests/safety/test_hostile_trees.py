"""A tree that came from elsewhere may name anything; nothing is ever written outside the dataset, or into .git."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.actions.branching import merge, switch
from datakit.actions.project import Project, open_project
from datakit.errors import DskError, RepositoryError
from datakit.model.naming import safe_name
from datakit.repo.dataset import Dataset
from datakit.repo.oplog import encode_commit
from datakit.repo.worktree.pathsafety import refuse_hostile
from datakit.store.objects import FILE_MODE, TREE_MODE, Entry

HOSTILE = (
    "../evil.txt", "wip/../../evil.txt", "wip//evil.txt", "/evil.txt", "wip/./evil.txt", "..\\evil.txt",
    "wip/aria/..\\..\\..\\..\\evil.txt", ".git/hooks/post-commit", "wip/.git/config", "wip/.GIT/config",
    "GIT~1/config", "wip/git~2/config", ".git /config", ".git./config", ".git::$INDEX_ALLOCATION/config",
    ".g\u200cit/config", ".dsk/journal.json", ".DSK/journal.json", "C:evil.txt", "C:/evil.txt", "c:\\evil.txt",
)  # fmt: skip
HARMLESS = (
    "wip/git/x.txt", "wip/aria/.gitkeep", ".gitattributes", "wip/a..b/..x.txt", "wip/10:30/x.txt", "wip/~/x.txt",
    "wip/legit~1.txt", "wip/ünïcode/日本.png", "wip/...", "notes/.dsk/x.txt",
)  # fmt: skip


def commit_of(dataset: Dataset, path: str) -> bytes:
    """A commit on top of HEAD with one more file, made entry by entry as no git would."""
    objects = dataset.objects
    head = dataset.head_tree
    assert head is not None

    def put(tree: bytes | None, names: list[str]) -> bytes:
        lines = objects.tree(tree) if tree else {}
        name, *rest = names
        if rest:
            old = lines.get(name)
            lines[name] = Entry(TREE_MODE, put(old.oid if old else None, rest))
        else:
            lines[name] = Entry(FILE_MODE, objects.blob(b"harm"))
        return objects.put_tree(lines)

    tree = put(head, path.split("/") if not path.startswith(("/", "..", "C:/")) else [path])
    made = objects.put("commit", encode_commit(dataset, tree, [dataset.head or b""], "harm\n"))
    objects.flush()
    return made


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".git/objects" not in str(path)
    }


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_path_is_refused(path: str) -> None:
    with pytest.raises(RepositoryError, match="nothing was written"):
        refuse_hostile(["wip/aria/x.png", path])


@pytest.mark.parametrize("path", HARMLESS)
def test_a_harmless_one_is_not(path: str) -> None:
    refuse_hostile([path])


@given(st.text(max_size=30), st.text(max_size=30))
def test_what_import_names_is_always_harmless(concept: str, stem: str) -> None:
    refuse_hostile([f"raw/{safe_name(concept)}/{safe_name(stem)}.png"])


@pytest.mark.parametrize(
    "path", ["../evil.txt", "wip/../../evil.txt", "wip/.git/config", ".dsk/journal.json", "/tmp/dsk-evil.txt"]
)
def test_nothing_is_written_by_switch_merge_or_after_plain_git(advanced: Project, tmp_path: Path, path: str) -> None:
    dataset = advanced.dataset
    root = dataset.root
    evil = commit_of(dataset, path)
    dataset.repo.references.create("refs/heads/evil", pygit2.Oid(raw=evil))
    (root / "wip/aria/danbooru_0.txt").write_text("mine")
    switch(open_project(root), "other", create=True)  # so that the edit is committed
    before = everything(tmp_path)
    for act in (switch, merge):
        with pytest.raises(DskError, match="nothing was written"):
            act(open_project(root), "evil")
    assert {name for name in everything(tmp_path) if "/.git/" not in name} == {
        name for name in before if "/.git/" not in name
    }
    assert not Path("/tmp/dsk-evil.txt").exists()
    assert not (tmp_path / "evil.txt").exists()
    assert (root / "wip/aria/danbooru_0.txt").read_text() == "mine"
    assert open_project(root).dataset.branch_ref == "refs/heads/other"


def test_nothing_is_removed_outside_either(advanced: Project, tmp_path: Path) -> None:
    dataset = advanced.dataset
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    evil = commit_of(dataset, "../mine.txt")
    dataset.repo.references["refs/heads/main"].set_target(pygit2.Oid(raw=evil))
    with pytest.raises(DskError):
        switch(open_project(dataset.root), "other", create=True, revision="HEAD~1")
    assert mine.read_text() == "mine"


def test_a_link_in_place_of_a_folder_is_not_followed(
    advanced: Project, tmp_path: Path, git: Callable[..., str]
) -> None:
    """Plain git writes the link; dsk does not write behind it."""
    root = advanced.dataset.root
    outside = tmp_path / "outside"
    outside.mkdir()
    switch(advanced, "images", create=True)
    (root / "wip/new").mkdir()
    (root / "wip/new/x.txt").write_text("text")
    switch(open_project(root), "main")
    (root / "wip/new").symlink_to(outside)
    with pytest.raises(DskError, match="symbolic link"):
        switch(open_project(root), "images")
    assert not list(outside.iterdir())
    (root / "wip/new").unlink()
    assert git(root, "status", "--porcelain") == ""
