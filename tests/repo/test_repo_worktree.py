"""The fast look at the work tree finds what a slow one finds, and what git finds."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.project import Project, open_project
from datakit.repo.layout import MANAGED_FOLDERS, is_managed
from datakit.repo.operations.transaction import transaction
from datakit.repo.worktree import look as worktree
from datakit.repo.worktree.scan import Edit, Scan, hash_file, scan
from datakit.store import parallel
from datakit.store.index import read_index
from datakit.store.lfs import pointer
from datakit.store.objects import files

Git = Callable[..., str]
OLD_NS = 1_600_000_000_000_000_000


@pytest.fixture(params=["one process", "forked"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Small trees are looked at by several processes too."""
    if request.param == "forked":
        if not hasattr(os, "fork"):
            pytest.skip("no fork here")
        monkeypatch.setattr(worktree, "FORK_AT_LEAST", 1)
        monkeypatch.setattr(parallel, "NUM_PROCESSES", 2)
    return str(request.param)


def slow(project: Project) -> list[Edit]:
    """Every managed file, read, against every file of HEAD."""
    dataset = project.dataset
    head = dict(files(dataset.objects, dataset.head_tree))
    paths = {path.relative_to(dataset.root).as_posix() for path in dataset.root.rglob("*") if is_ours(path)}
    here = {path: hash_file(dataset.root, path) for path in paths if is_managed(path)}
    both = {path for path in here.keys() | head.keys() if is_managed(path) and here.get(path) != head.get(path)}
    return [Edit(path, head.get(path), here.get(path)) for path in sorted(both)]


def is_ours(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and ".git" not in path.parts and ".dsk" not in path.parts


def porcelain(project: Project, git: Git) -> set[str]:
    rows = git(project.dataset.root, "status", "--porcelain", "-uall", "-z", "--no-renames").split("\0")[:-1]
    return {row[3:] for row in rows if is_managed(row[3:])}


def disturb(root: Path, dice: random.Random) -> None:
    """One thing that people and their programs do to a file."""
    stages = [root / folder for folder in MANAGED_FOLDERS if (root / folder).is_dir()]
    known = sorted(path for stage in stages for path in stage.rglob("*") if path.is_file() and not path.is_symlink())
    path = dice.choice(known)
    match dice.randrange(9):
        case 0:
            path.unlink()
        case 1:
            text = path.read_bytes()
            path.unlink()
            path.write_bytes(text + b" more")
        case 2:
            os.utime(path)
        case 3:
            path.rename(path.with_name(f"renamed_{dice.randrange(99)}{path.suffix}"))
        case 4:
            folder = dice.choice(stages) / f"new_{dice.randrange(9)}" / dice.choice(["", "deep/deeper"])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{dice.randrange(99)}.txt").write_text(str(dice.random()))
        case 5:
            (path.parent / dice.choice([".hidden.txt", "notes.psd", "Thumbs.db", "json", "x.JPG"])).write_bytes(b"x")
        case 6:
            shutil.copy(path, path.with_name(f"copy_{dice.randrange(99)}{path.suffix}"))
        case 7:
            size = path.stat().st_size
            path.unlink()
            path.write_bytes(dice.randbytes(size))
            os.utime(path, ns=(OLD_NS, OLD_NS))
        case _:
            if path.parent.parent.name in MANAGED_FOLDERS and dice.random() < 0.3:
                path.parent.rename(path.parent.with_name(f"moved_{dice.randrange(99)}"))


@pytest.mark.parametrize("seed", range(6))
def test_random_edits_are_found_as_a_slow_look_and_git_find_them(
    advanced: Project, git: Git, ways: str, seed: int
) -> None:
    dice = random.Random(seed)
    for turn in range(4):
        for _ in range(dice.randrange(1, 8)):
            disturb(advanced.dataset.root, dice)
        if turn == 2 and seed % 2:
            git(advanced.dataset.root, "add", "-A", "--", "*.txt", "*.json")
            if seed % 4 == 1:
                git(advanced.dataset.root, "commit", "-q", "--allow-empty", "-m", "by git")
        project = open_project(advanced.dataset.root)
        found = scan(project.dataset)
        assert found.edits == slow(project)
        told, edited = porcelain(project, git), {edit.path for edit in found.edits}
        assert edited <= told
        unchanged = {path for path in found.same if path.endswith(".png")}
        assert told - edited <= unchanged, "git without git-lfs cannot tell"
        assert found.blobs == standing(project)
        assert found.unmanaged == sorted(found.unmanaged)
        if turn % 2:
            with transaction(project.dataset, "look"):
                pass
            assert scan(open_project(advanced.dataset.root).dataset).edits == []
            assert git(advanced.dataset.root, "status", "--porcelain", "-uno") == ""
            git(advanced.dataset.root, "fsck", "--strict")


def standing(project: Project) -> dict[str, bytes]:
    root = project.dataset.root
    paths = [path.relative_to(root).as_posix() for path in root.rglob("*") if is_ours(path)]
    return {path: hash_file(root, path) for path in paths if is_managed(path)}


def test_a_line_as_young_as_the_index_proves_nothing(advanced: Project, ways: str) -> None:
    """A file written in the index's own tick can keep its stat: it is read."""
    dataset = advanced.dataset
    caption = dataset.root / "wip/aria/danbooru_0.txt"
    before = caption.stat()
    index_ns = dataset.index_path.stat().st_mtime_ns
    text = caption.read_bytes()
    with caption.open("r+b") as file:
        file.write(b"X" * len(text))
    os.utime(caption, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert scan(dataset).edits == [], "the stat is all that a look goes by"
    os.utime(dataset.index_path, ns=(index_ns, before.st_mtime_ns))
    assert [edit.path for edit in scan(dataset).edits] == ["wip/aria/danbooru_0.txt"]


def test_nothing_is_read_where_nothing_changed(advanced: Project, ways: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(root: Path, path: str) -> bytes:
        raise AssertionError(path)

    index = advanced.dataset.index_path
    os.utime(index, ns=(index.stat().st_mtime_ns + 10**9,) * 2)  # no line is as young as the index
    monkeypatch.setattr(worktree, "hash_file", refuse)
    look = worktree.Look(advanced.dataset.root, read_index(index)).found()
    assert (look.looked, look.gone, look.bare) == ({}, [], [])


def test_a_clone_without_images_knows_them(advanced: Project, tmp_path: Path, git: Git, ways: str) -> None:
    assert scan(advanced.dataset).bare == []
    git(tmp_path, "-c", "filter.lfs.smudge=", "-c", "filter.lfs.required=false", "clone", "-q",
        str(advanced.dataset.root), "clone")  # fmt: skip
    clone = open_project(tmp_path / "clone")
    images = sorted(path for path, _ in files(clone.dataset.objects, clone.dataset.head_tree) if path.endswith(".png"))
    images = [path for path in images if not path.startswith("vocab/")]
    assert len(images) > 20
    assert scan(clone.dataset).bare == images
    with transaction(clone.dataset, "look"):
        pass
    assert scan(clone.dataset).bare == images, "with a current line in the index too"
    path = clone.dataset.root / images[0]
    path.unlink()
    shutil.copy(advanced.dataset.root / images[0], path)
    assert scan(clone.dataset).bare == images[1:]


def test_small_images_and_pointers_kept_as_texts_are_not_bare(advanced: Project, ways: str) -> None:
    root = advanced.dataset.root
    (root / "raw/aria/tiny.gif").write_bytes(b"GIF89a" + bytes(20))
    (root / "raw/aria/pointer.txt").write_bytes(pointer("0" * 64, 7))
    (root / "raw/aria/empty.png").write_bytes(b"")
    assert scan(advanced.dataset).bare == []
    with transaction(advanced.dataset, "look"):
        pass
    assert scan(advanced.dataset).bare == []


def test_a_look_that_began_before_the_index_changed_does_not_count(
    advanced: Project, ways: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = advanced.dataset.root
    begun = worktree.begin_look(root / "wip")
    if ways == "one process":
        assert begun is None, "a small dataset is looked at when it is open"
        return
    assert begun is not None
    (root / "wip/aria/danbooru_0.txt").write_text("other")
    with transaction(advanced.dataset, "look"):
        pass
    (root / "wip/aria/danbooru_1.txt").write_text("another")
    late: Scan = scan(advanced.dataset, begun)
    assert [edit.path for edit in late.edits] == ["wip/aria/danbooru_1.txt"]
    again = worktree.begin_look(root)
    assert again is not None
    assert scan(advanced.dataset, again).edits == late.edits
    (root / ".dsk/journal.json").write_text("{}")
    assert worktree.begin_look(root) is None
    assert worktree.begin_look(root.parent) is None


def test_a_format_that_is_a_symbolic_link_is_not_followed(advanced: Project, tmp_path: Path, ways: str) -> None:
    root = advanced.dataset.root
    shutil.move(root / "export/kohya", tmp_path / "elsewhere")
    (root / "export/kohya").symlink_to(tmp_path / "elsewhere")
    found = scan(advanced.dataset)
    assert found.edits
    assert all(edit.new is None and edit.path.startswith("export/kohya/") for edit in found.edits)
    assert found.unmanaged == ["export/kohya"]
