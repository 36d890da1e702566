"""What people do to the work tree: found, told in words, kept, and never lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.project import Project, open_project
from datakit.errors import RepositoryError, WriteError
from datakit.repo.operations.transaction import transaction
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history
from datakit.repo.worktree.scan import scan
from datakit.store.lfs import parse_pointer


def save(project: Project) -> str:
    """Run an operation that changes nothing itself; the newest subject."""
    with transaction(project.dataset, "look"):
        pass
    return subjects(project)[0]


def subjects(project: Project) -> list[str]:
    return [operation.subject for operation in history(project.dataset)]


def edits(project: Project) -> list[str]:
    return [edit.path for edit in scan(project.dataset).edits]


def picture(path: Path, colour: tuple[int, int, int] = (1, 200, 3)) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (257, 257), colour).save(path)


def assert_clean(project: Project, git) -> None:
    assert git(project.dataset.root, "status", "--porcelain") == ""
    git(project.dataset.root, "fsck", "--strict")
    assert edits(project) == []


def test_nothing_edited_is_no_operation(advanced: Project) -> None:
    before = advanced.dataset.head
    assert save(advanced).startswith("export")
    assert advanced.dataset.head == before


def test_edits_are_told_in_words(advanced: Project, git) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text("aria, 1girl, hat")
    (root / "wip/aria/danbooru_1.txt").write_text("aria, 1girl, cat")
    (root / "wip/beth/danbooru_0.png").unlink()
    picture(root / "raw/new/photo.png")
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    assert save(advanced) == ("raw: 1 image added; wip: 2 captions edited, 1 image removed; dsk.toml edited")
    assert_clean(advanced, git)
    assert (root / "wip/aria/danbooru_0.txt").read_text() == "aria, 1girl, hat"
    assert git(root, "show", "HEAD:wip/aria/danbooru_0.txt") == "aria, 1girl, hat"
    assert git(root, "log", "-1", "--format=%(trailers:key=Dsk-Op,valueonly)").strip() == "edit"
    assert save(advanced).startswith("raw: 1 image added"), "once"


def test_an_image_replaced_by_another_is_an_edit_with_its_pointer(advanced: Project, git) -> None:
    root = advanced.dataset.root
    picture(root / "wip/aria/danbooru_0.png")
    data = (root / "wip/aria/danbooru_0.png").read_bytes()
    assert save(advanced) == "wip: 1 image edited"
    found = parse_pointer(git(root, "cat-file", "blob", "HEAD:wip/aria/danbooru_0.png").encode())
    assert found is not None
    assert advanced.dataset.lfs.read(found[0]) == data
    assert (root / "wip/aria/danbooru_0.png").read_bytes() == data
    assert (root / "raw/aria/danbooru_0.png").read_bytes() != data
    assert_clean(advanced, git)


def test_an_image_copied_over_in_place_as_root_is_kept_in_wip_and_healed_elsewhere(advanced: Project, git) -> None:
    root = advanced.dataset.root
    names = [root / stage / "aria/danbooru_0.png" for stage in ("raw", "filtered", "edited", "captioned", "cleaned")]
    wip = root / "wip/aria/danbooru_0.png"
    if wip.stat().st_ino != names[0].stat().st_ino:
        pytest.skip("stages share no inodes here")
    original = wip.read_bytes()
    wip.chmod(0o644)
    edited = original + b"trailing bytes"
    wip.write_bytes(edited)
    assert names[0].read_bytes() == edited, "the harm is done through one name"
    assert save(advanced) == "wip: 1 image edited"
    assert wip.read_bytes() == edited
    assert all(name.read_bytes() == original for name in names)
    assert all(path.read_bytes() == original for path in root.glob("export/**/*danbooru_0.png") if "aria" in str(path))
    assert_clean(advanced, git)
    undo(advanced.dataset)
    assert wip.read_bytes() == original
    assert_clean(advanced, git)


def test_a_touched_file_is_no_edit_and_git_stays_quiet(advanced: Project, git) -> None:
    root, before = advanced.dataset.root, advanced.dataset.head
    for name in ("wip/aria/danbooru_0.txt", "wip/aria/danbooru_0.png", "dsk.toml"):
        os.utime(root / name)
    assert edits(advanced) == []
    save(advanced)
    assert advanced.dataset.head == before
    assert_clean(advanced, git)


@pytest.mark.parametrize("name", ["wip/notes.psd", "raw/aria/Thumbs.db", "notes/x.txt", "raw/.hidden/x.png", "x.png"])
def test_files_that_are_none_of_ours_are_left_alone(advanced: Project, git, name: str) -> None:
    path = advanced.dataset.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"mine")
    before = advanced.dataset.head
    save(advanced)
    assert advanced.dataset.head == before
    undo(advanced.dataset)
    assert path.read_bytes() == b"mine"
    assert git(advanced.dataset.root, "status", "--porcelain", "-uall") == f"?? {name}\n"


def test_staged_but_not_committed_is_an_edit_like_any_other(advanced: Project, git) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text("staged")
    git(root, "add", "wip/aria/danbooru_0.txt")
    git(root, "rm", "-q", "wip/aria/danbooru_1.txt")
    git(root, "rm", "-q", "--cached", "wip/aria/danbooru_2.txt")
    (root / "README.md").write_text("mine")
    git(root, "add", "-N", "README.md")
    assert save(advanced) == "wip: 1 caption edited, 1 caption removed"
    assert git(root, "status", "--porcelain") == " A README.md\n"


def test_an_image_that_plain_git_committed_raw_becomes_a_pointer(advanced: Project, git) -> None:
    root = advanced.dataset.root
    picture(root / "raw/aria/own.png")
    data = (root / "raw/aria/own.png").read_bytes()
    git(root, "-c", "filter.lfs.clean=cat", "add", "raw/aria/own.png")
    git(root, "commit", "-qm", "by hand")
    assert not git(root, "cat-file", "blob", "HEAD:raw/aria/own.png").startswith("version https://git-lfs")
    assert save(advanced) == "raw: 1 image edited"
    assert git(root, "cat-file", "blob", "HEAD:raw/aria/own.png").startswith("version https://git-lfs")
    assert (root / "raw/aria/own.png").read_bytes() == data
    assert_clean(advanced, git)
    assert subjects(advanced)[1] == "by hand"


def test_an_empty_image_is_kept_as_it_is(advanced: Project, git) -> None:
    path = advanced.dataset.root / "raw/aria/empty.png"
    path.write_bytes(b"")
    assert save(advanced) == "raw: 1 image added"
    assert git(advanced.dataset.root, "cat-file", "-s", "HEAD:raw/aria/empty.png") == "0\n"
    assert_clean(advanced, git)
    advance(advanced)
    assert path.read_bytes() == b""
    assert "aria/empty" in (advanced.dataset.root / "filtered/stage.json").read_text()
    assert_clean(advanced, git)


def test_links_and_executables_that_somebody_committed_are_no_edits(advanced: Project, git) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/link.png").symlink_to("danbooru_0.png")
    caption = root / "wip/aria/danbooru_0.txt"
    caption.chmod(0o755)
    git(root, "add", "wip/aria/link.png")
    git(root, "update-index", "--chmod=+x", "wip/aria/danbooru_0.txt")
    git(root, "commit", "-qm", "odd modes")
    (root / "wip/aria/danbooru_1.txt").write_text("changed")
    save(advanced)
    assert git(root, "ls-tree", "HEAD", "wip/aria/link.png").startswith("120000")
    assert_clean(advanced, git)
    before = advanced.dataset.head
    save(advanced)
    assert advanced.dataset.head == before


def test_a_file_name_that_is_not_utf8_is_an_item_or_left_alone_but_no_crash(advanced: Project, git) -> None:
    root = advanced.dataset.root
    picture(root / "raw/aria/ok.png")
    os.rename(root / "raw/aria/ok.png", os.fsencode(root) + b"/raw/aria/b\xffd.png")  # noqa: PTH104
    (root / "raw/aria").joinpath(os.fsdecode(b"n\xffte.psd")).write_bytes(b"")
    save(advanced)
    advance(advanced, "wip")
    assert all("\udcff" not in path for path in scan(advanced.dataset).unmanaged)


def test_a_folder_that_is_a_symbolic_link_is_refused_and_nothing_behind_it_is_touched(
    advanced: Project, tmp_path: Path
) -> None:
    root, outside = advanced.dataset.root, tmp_path / "outside"
    shutil.move(root / "wip/aria", outside)
    held = {path.name: path.read_bytes() for path in outside.iterdir()}
    (root / "wip/aria").symlink_to(outside)
    before = advanced.dataset.head
    with pytest.raises(WriteError, match=r"wip/aria: a symbolic link"):
        undo(advanced.dataset)
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == held
    assert advanced.dataset.head == before
    (root / "wip/aria").unlink()
    shutil.move(root / "wip", tmp_path / "elsewhere")
    (root / "wip").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RepositoryError, match="symbolic link"):
        save(advanced)


def test_a_file_where_a_folder_must_be_is_refused_before_anything_changes(advanced: Project, git) -> None:
    root = advanced.dataset.root
    shutil.rmtree(root / "wip/aria")
    (root / "wip/aria").write_bytes(b"in the way")
    save(advanced)
    before = advanced.dataset.head
    with pytest.raises(WriteError, match=r"wip/aria: a file stands"):
        undo(advanced.dataset)
    assert advanced.dataset.head == before
    assert (root / "wip/aria").read_bytes() == b"in the way"
    (root / "wip/aria").unlink()
    undo(advanced.dataset)
    assert (root / "wip/aria/danbooru_0.png").exists()
    assert_clean(open_project(root), git)
