"""dsk restore: items come back whole, under their own name or beside whoever has it, and stay back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hands import STAGES, again, assert_clean, commit_edits, head, item_files, paint, remove_item
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.deciding import drop
from datakit.actions.project import Project, open_project
from datakit.actions.restoring import restore
from datakit.errors import StateError, UsageError
from datakit.model.order import COMPUTED
from datakit.repo.operations.undo import redo, undo
from datakit.repo.oplog import history
from datakit.repo.stagetree import read_lock

KEY = "aria/danbooru_1"


def files(project: Project, key: str = KEY) -> dict[str, bytes]:
    return item_files(project, key)


def remove(project: Project, *stages: str, key: str = KEY) -> None:
    remove_item(project, *stages, key=key)


def test_an_item_removed_everywhere_by_hand_comes_back_whole(advanced: Project, git) -> None:
    before, tree, commit = files(advanced), advanced.dataset.head_tree, head(advanced)
    assert {"raw/aria/danbooru_1.json", "raw/aria/danbooru_1.png", "wip/aria/danbooru_1.txt"} <= before.keys()
    remove(advanced)
    assert files(advanced) == {}
    done = restore(again(advanced), [KEY])
    assert files(advanced) == before
    assert advanced.dataset.head_tree == tree
    assert done.subject == f"restore: {KEY} from {commit[:10]} (raw to wip)"
    assert [(one.key, one.was, set(one.stages)) for one in done.items] == [(KEY, "", set(STAGES))]
    assert next(history(advanced.dataset)).op == "restore"
    assert_clean(advanced.dataset.root, git)
    undo(advanced.dataset)
    assert files(advanced) == {}
    redo(advanced.dataset)
    assert files(advanced) == before
    assert_clean(advanced.dataset.root, git)


def test_an_item_that_went_stage_by_stage_comes_back_from_where_each_last_had_it(advanced: Project, git) -> None:
    before = files(advanced)
    remove(advanced, "raw")
    (advanced.dataset.root / f"wip/{KEY}.txt").write_text("aria, later")
    advance(again(advanced))
    assert files(advanced) == {}
    restore(again(advanced), [KEY])
    assert files(advanced) == before | {f"wip/{KEY}.txt": b"aria, later"}
    assert_clean(advanced.dataset.root, git)


def test_a_rebuild_after_it_leaves_the_hand_edits_that_came_back(advanced: Project, git) -> None:
    root = advanced.dataset.root
    (root / f"wip/{KEY}.txt").write_text("aria, mine")
    advance(again(advanced))
    before = files(advanced)
    assert before[f"wip/{KEY}.txt"] == b"aria, mine"
    remove(advanced, "raw")
    advance(again(advanced))
    assert files(advanced) == {}
    restore(again(advanced), [KEY])
    assert files(advanced) == before
    git(root, "gc", "-q", "--prune=now")
    advance(again(advanced))
    assert files(advanced) == before
    for stage in COMPUTED:
        lock = read_lock(advanced.dataset, advanced.dataset.head_tree, stage)
        assert lock is not None
        assert not lock.conflicts
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "zz"\n')
    advance(again(advanced))
    assert files(advanced)[f"wip/{KEY}.txt"] != b""
    assert b"blue hair" not in files(advanced)[f"wip/{KEY}.txt"]
    assert_clean(advanced.dataset.root, git)


@pytest.mark.parametrize("taken_from", ["raw", "everywhere", "drop"])
@pytest.mark.parametrize("edit", ["caption", "image", "record"])
def test_a_removal_and_a_restore_leave_no_trace_in_later_rebuilds(
    advanced: Project, tmp_path: Path, taken_from: str, edit: str
) -> None:
    root = advanced.dataset.root
    match edit:
        case "caption":
            (root / f"wip/{KEY}.txt").write_text("aria, mine, 1girl")
            (root / f"captioned/{KEY}.txt").write_text("1girl, blue_hair, own")
        case "image":
            paint(root / f"{'edited' if taken_from == 'everywhere' else 'raw'}/{KEY}.png")
        case "record":
            record = json.loads((root / f"raw/{KEY}.json").read_text())
            record["tags"]["general"] = ["smile"]
            (root / f"raw/{KEY}.json").write_text(json.dumps(record))
    advance(again(advanced), "wip")
    before = files(advanced)
    shutil.copytree(root, tmp_path / "other")
    match taken_from:
        case "drop":
            drop(again(advanced), [KEY], reason="dull")
        case _:
            remove(advanced, *(["raw"] if taken_from == "raw" else []))
    advance(again(advanced), "wip")
    assert f"wip/{KEY}.png" not in files(advanced)
    restore(again(advanced), [KEY])
    assert files(advanced) == before
    both = [again(advanced), open_project(tmp_path / "other")]
    for each in both:
        (each.dataset.root / "dsk.toml").write_text('[cleaned]\ntrigger = "zz"\n')
        advance(again(each), "wip")
    one, other = (files(each) for each in both)
    assert one == other
    assert one != before


def test_what_is_missing_in_one_stage_comes_back_there(advanced: Project, git) -> None:
    before = files(advanced)
    drop(again(advanced), [KEY], reason="blurry", stage="edited")
    advance(again(advanced))
    assert {path.partition("/")[0] for path in files(advanced)} == {"raw", "filtered"}
    restore(again(advanced), [KEY], stage="edited")
    assert set(files(advanced)) == {path for path in before if path.startswith(("raw/", "filtered/", "edited/"))}
    restore(again(advanced), [KEY])
    assert files(advanced) == before
    advance(again(advanced))
    assert files(advanced) == before
    assert_clean(advanced.dataset.root, git)


def test_a_caption_that_was_deleted_comes_back_alone(advanced: Project) -> None:
    before = files(advanced)
    (advanced.dataset.root / f"wip/{KEY}.txt").unlink()
    with pytest.raises(UsageError, match="not missing"):
        restore(again(advanced), [KEY])
    restore(again(advanced), [KEY], revision="HEAD~1")
    assert files(advanced) == before


def test_an_item_that_is_not_missing_needs_a_revision(advanced: Project) -> None:
    with pytest.raises(UsageError) as caught:
        restore(advanced, [KEY])
    assert f"dsk log {KEY}" in caught.value.hint
    before = head(advanced)
    (advanced.dataset.root / f"wip/{KEY}.txt").write_text("changed")
    with pytest.raises(UsageError, match="--from REV") as caught:
        restore(again(advanced), [KEY])
    assert caught.value.hint == f"it was otherwise in {before[:10]} (wip); dsk log {KEY}"
    remove(advanced)
    restore(again(advanced), [KEY])
    with pytest.raises(UsageError, match="--from REV") as caught:
        restore(again(advanced), [KEY])
    assert caught.value.hint == f"it was otherwise in {before[:10]} (wip); dsk log {KEY}"
    with pytest.raises(UsageError, match="no item"):
        restore(again(advanced), ["aria/never"])
    with pytest.raises(UsageError, match="no stage 'wib'"):
        restore(again(advanced), [KEY], stage="wib")
    with pytest.raises(UsageError, match="no revision"):
        restore(again(advanced), [KEY], revision="nonsense")


def test_a_revision_replaces_what_is_there_now(advanced: Project, git) -> None:
    root = advanced.dataset.root
    before, commit = files(advanced), head(advanced)
    paint(root / f"raw/{KEY}.png")
    (root / f"wip/{KEY}.txt").write_text("changed")
    paint(root / "wip/aria/danbooru_2.png")
    other = (root / "wip/aria/danbooru_2.png").read_bytes()
    done = restore(again(advanced), [KEY], revision=commit[:12])
    assert files(advanced) == before
    assert set(done.items[0].stages) == {"raw", "wip"}
    assert done.subject == f"restore: {KEY} from {commit[:10]} (raw, wip)"
    assert (root / "wip/aria/danbooru_2.png").read_bytes() == other
    again_done = restore(again(advanced), [KEY], revision=commit)
    assert (again_done.commit, again_done.unchanged) == ("", (KEY,))
    undo(advanced.dataset)
    assert files(advanced)[f"wip/{KEY}.txt"] == b"changed"
    assert_clean(advanced.dataset.root, git)


def test_an_image_with_another_extension_is_replaced_too(advanced: Project, git) -> None:
    root = advanced.dataset.root
    before = files(advanced)
    Image.open(root / f"wip/{KEY}.png").save(root / f"wip/{KEY}.webp")
    (root / f"wip/{KEY}.png").unlink()
    restore(again(advanced), [f"wip/{KEY}.webp"], revision="HEAD~1")
    assert files(advanced) == before
    assert_clean(advanced.dataset.root, git)


def test_patterns_and_stems_bring_back_all_that_is_missing(advanced: Project, git) -> None:
    tree = advanced.dataset.head_tree
    shutil.rmtree(advanced.dataset.root / "raw/aria")
    for stage in COMPUTED:
        shutil.rmtree(advanced.dataset.root / stage / "aria")
    commit_edits(advanced)
    restore(again(advanced), ["danbooru_2"])
    done = restore(again(advanced), ["aria/*"])
    assert [one.key for one in done.items] == ["aria/danbooru_0", "aria/danbooru_1"]
    assert done.subject.startswith("restore: 2 items from ")
    assert advanced.dataset.head_tree == tree
    with pytest.raises(UsageError, match="missing"):
        restore(again(advanced), ["aria/*"])
    assert_clean(advanced.dataset.root, git)


def test_an_image_that_this_clone_lacks_is_named(advanced: Project) -> None:
    root = advanced.dataset.root
    sha256 = json.loads((root / f"raw/{KEY}.json").read_text())["sha256"]
    remove(advanced)
    tree = advanced.dataset.head_tree
    shutil.rmtree(root / ".git/lfs/objects" / sha256[:2] / sha256[2:4])
    with pytest.raises(StateError, match=f"raw/{KEY}.png") as caught:
        restore(again(advanced), [KEY])
    assert "lfs" in caught.value.hint
    assert advanced.dataset.head_tree == tree


def test_a_removal_by_plain_git_is_taken_back(advanced: Project, git) -> None:
    root = advanced.dataset.root
    before = files(advanced)
    git(root, "rm", "-q", *before)
    git(root, "commit", "-qm", "tidy")
    git(root, "commit", "-q", "--amend", "-m", "tidy up")
    restore(again(advanced), [KEY])
    assert files(advanced) == before
    assert_clean(advanced.dataset.root, git)


def test_the_command(advanced: Project, git, dsk) -> None:
    root = advanced.dataset.root
    before = files(advanced)
    for stage in STAGES:
        for path in (root / stage).glob(f"{KEY}.*"):
            path.unlink()
    done = dsk(root, "restore", KEY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"restore: {KEY} from ")
    assert files(advanced) == before
    done = dsk(root, "restore", KEY)
    assert done.returncode == 2
    assert f"dsk log {KEY}" in done.stderr
    assert_clean(advanced.dataset.root, git)
    drop(again(advanced), [KEY], reason="x")
    advance(again(advanced))
    assert "next: dsk advance" not in dsk(root, "restore", "aria/*", "--from", "HEAD").stdout
    assert dsk(root, "restore", KEY, "--stage", "filtered").stdout.splitlines()[1].startswith("next: dsk advance")
