"""An export outside the dataset: linked, only what changed is written, and nothing of anybody else's is touched."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hands import again, remove_item
from hypothesis import given
from hypothesis import strategies as st

from datakit.actions.exporting.elsewhere import Elsewhere, Target, export_elsewhere
from datakit.actions.exporting.folders import ANY, disk_refusals, is_inside, sort_out
from datakit.actions.project import Project
from datakit.errors import StateError, UsageError, WriteError
from datakit.exports.settings import Flags

FORMAT = "kohya"
CAPTION = "1_aria/danbooru_0.txt"
IMAGE = "1_aria/danbooru_0.png"
PATHS = st.sampled_from("abcdef")
SHAS = st.sampled_from("123")


def to(project: Project, folder: Path, name: str = FORMAT, *, copies: bool = False, where: str = "") -> Elsewhere:
    done = export_elsewhere(again(project), name, Target(folder=folder, copies=copies), flags=Flags(where=where))
    assert done is not None
    return done


def stands(folder: Path) -> dict[str, tuple[int, int]]:
    """Path → (inode, time)."""
    paths = {path.relative_to(folder).as_posix(): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in sorted(paths.items())}


def head_of(project: Project) -> str:
    head = again(project).dataset.head
    assert head is not None
    return head.hex()


def test_images_are_linked_to_the_work_tree_and_never_to_the_store(advanced: Project, tmp_path: Path) -> None:
    before, out = head_of(advanced), tmp_path / "out"
    done = to(advanced, out)
    manifest = json.loads((out / "manifest.json").read_text())
    assert head_of(advanced) == before == done.commit == manifest["commit"]
    assert (done.num_items, done.num_written, done.num_removed, done.stayed) == (5, 11, 0, ())
    files = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in stands(out)}
    files.pop("manifest.json")
    assert manifest["files"] == files
    assert manifest["settings"]["common"]["repeats"] == 1
    store = advanced.dataset.lfs.path(files[IMAGE]).stat()
    assert (out / IMAGE).stat().st_ino != store.st_ino
    if (out / IMAGE).stat().st_nlink > 1:
        assert (out / IMAGE).samefile(advanced.dataset.root / "wip/aria/danbooru_0.png")
        assert not (out / IMAGE).stat().st_mode & 0o222


def test_again_nothing_is_written_and_then_only_what_changed(advanced: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    to(advanced, out)
    before = stands(out)
    assert export_elsewhere(again(advanced), FORMAT, Target(folder=out)) is None
    assert stands(out) == before
    (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_text("1girl, red hat")
    assert to(advanced, out).num_written == 1
    after = stands(out)
    assert {name for name in after if after[name] != before[name]} == {CAPTION, "manifest.json"}
    assert (out / CAPTION).read_text() == "1girl, red hat"


def test_what_is_not_remembered_is_read_and_not_written(advanced: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    to(advanced, out)
    before = stands(out)
    (advanced.dataset.private / "cache.sqlite").unlink()
    assert export_elsewhere(again(advanced), FORMAT, Target(folder=out)) is None
    assert stands(out) == before


def test_what_goes_is_removed_with_its_folder_and_what_somebody_made_stays(advanced: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    to(advanced, out)
    (out / "1_aria/danbooru_1.txt").write_text("mine")
    (out / "1_aria/cache.npz").write_bytes(b"0")
    remove_item(advanced, "wip", key="aria/danbooru_0")
    remove_item(advanced, "wip", key="aria/danbooru_1")
    remove_item(advanced, "wip", key="beth/danbooru_0")
    remove_item(advanced, "wip", key="beth/danbooru_1")
    done = to(advanced, out)
    assert done.stayed == ("1_aria/danbooru_1.txt",)
    assert set(stands(out)) == {
        *("1_aria/danbooru_1.txt", "1_aria/cache.npz", "1_aria/danbooru_2.png", "1_aria/danbooru_2.txt"),
        *("dataset.toml", "manifest.json"),
    }
    assert not (out / "1_beth").exists()
    assert any("danbooru_1.txt" in note for note in done.notes)
    assert any("cache.npz" in note for note in done.notes)


def test_what_somebody_changed_stays_and_is_told_until_it_is_deleted(advanced: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    to(advanced, out)
    (out / CAPTION).write_text("mine")
    (out / IMAGE).unlink()
    done = to(advanced, out)
    assert (out / CAPTION).read_text() == "mine"
    assert (out / IMAGE).exists()
    assert done.stayed == (CAPTION,)
    (out / CAPTION).unlink()
    assert to(advanced, out).stayed == ()
    assert (out / CAPTION).read_text() != "mine"


def test_a_file_where_one_of_ours_belongs_stays(advanced: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    to(advanced, out, where="concept:aria")
    (out / "1_beth").mkdir()
    (out / "1_beth/danbooru_0.txt").write_text("mine")
    assert to(advanced, out).stayed == ("1_beth/danbooru_0.txt",)
    assert (out / "1_beth/danbooru_0.txt").read_text() == "mine"


def test_copies_share_nothing_and_may_be_written_to(advanced: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    to(advanced, out)
    to(advanced, out, copies=True)
    for path in out.rglob("*.png"):
        assert path.stat().st_nlink == 1
        assert path.stat().st_mode & 0o200
    assert export_elsewhere(again(advanced), FORMAT, Target(folder=out, copies=True)) is None


def test_a_folder_of_somebody_else_is_refused_by_name(advanced: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds mine\.txt"):
        to(advanced, out)
    (out / "manifest.json").write_text('{"files": {"mine.txt": "0"}}')
    with pytest.raises(UsageError, match="somebody else's"):
        to(advanced, out)
    assert set(stands(out)) == {"mine.txt", "manifest.json"}


@pytest.mark.parametrize("name", ["set", "set/export/kohya", "set/new", "."])
def test_a_folder_in_the_dataset_or_around_it_is_refused(advanced: Project, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="inside"):
        to(advanced, tmp_path / name)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / name)
    with pytest.raises(UsageError, match="inside"):
        to(advanced, link)


def test_a_file_another_format_and_another_dataset_are_refused(advanced: Project, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        to(advanced, file)
    out = tmp_path / "out"
    to(advanced, out)
    with pytest.raises(StateError, match="of the format kohya"):
        to(advanced, out, "txt-pairs")
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps(manifest | {"commit": "0" * 40}))
    with pytest.raises(StateError, match="another dataset"):
        to(advanced, out)


def test_a_manifest_that_points_outside_removes_nothing_there(advanced: Project, tmp_path: Path) -> None:
    out, victim = tmp_path / "out", tmp_path / "victim.txt"
    victim.write_text("precious")
    sha = hashlib.sha256(b"precious").hexdigest()
    to(advanced, out)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["files"] |= {"../victim.txt": sha, str(victim): sha, "1_aria/../../victim.txt": sha}
    manifest["input"] = "0" * 40
    (out / "manifest.json").write_text(json.dumps(manifest))
    to(advanced, out)
    assert victim.read_text() == "precious"


def test_nothing_is_written_or_removed_behind_a_link(advanced: Project, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    to(advanced, out)
    (out / "1_aria").rename(elsewhere)
    (out / "1_aria").symlink_to(elsewhere)
    before = stands(elsewhere)
    (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_text("1girl, red hat")
    with pytest.raises(WriteError, match="symbolic link stands where a folder must be"):
        to(advanced, out)
    assert stands(elsewhere) == before


def test_a_pack_is_written_again_only_when_what_it_holds_changed(advanced: Project, tmp_path: Path) -> None:
    out = tmp_path / "out"
    to(advanced, out, "webdataset", where="concept:aria")
    before = stands(out)
    assert any(name.endswith(".tar") for name in before)
    (advanced.dataset.root / "wip/beth/danbooru_0.txt").write_text("1girl, red hat")
    assert to(advanced, out, "webdataset", where="concept:aria").num_written == 0
    after = stands(out)
    assert {name for name in after if after[name] != before[name]} == {"manifest.json"}
    (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_text("1girl, red hat")
    assert to(advanced, out, "webdataset", where="concept:aria").num_written >= 1
    manifest = json.loads((out / "manifest.json").read_text())
    for name, sha in manifest["files"].items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == sha


@given(
    st.dictionaries(PATHS, SHAS.map(lambda sha: frozenset({sha}))),
    st.dictionaries(PATHS, st.one_of(st.frozensets(SHAS), st.just(ANY))),
    st.dictionaries(PATHS, SHAS),
)
def test_every_path_has_one_fate_and_nothing_foreign_is_lost(
    wanted: dict[str, frozenset[str]], ours: dict[str, frozenset[str]], found: dict[str, str]
) -> None:
    todo = sort_out(wanted, ours, found)
    fates = [*todo.right, *todo.fresh, *todo.gone, *todo.foreign]
    assert len(fates) == len(set(fates))
    assert set(fates) >= wanted.keys()
    for path in [*todo.fresh, *todo.gone]:
        assert path not in found or found[path] in ours[path] or ours[path] == ANY
    assert all(found[path] in wanted[path] for path in todo.right)
    assert not set(todo.gone) & wanted.keys()


def test_names_that_a_disk_cannot_hold_are_told(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="cannot hold the name"), disk_refusals(tmp_path):
        os.close(os.open(tmp_path / ("x" * 300), os.O_CREAT))
    assert [is_inside(path) for path in ("a/b", "../a", "/a", "a//b", "a\\b", "", "a/.")] == [True, *[False] * 6]


def test_a_second_export_reads_no_file(advanced: Project, tmp_path: Path) -> None:
    """Content that was changed behind dsk's back, with size and time kept, is not looked at: nothing is read."""
    out = tmp_path / "out"
    to(advanced, out)
    stat = (out / CAPTION).stat()
    (out / CAPTION).write_bytes(b"x" * stat.st_size)
    os.utime(out / CAPTION, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert export_elsewhere(again(advanced), FORMAT, Target(folder=out)) is None
