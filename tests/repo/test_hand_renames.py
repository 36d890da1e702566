"""Items that people rename in a file manager: recognised, and the same item in every stage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.model.order import COMPUTED, ORDER
from datakit.repo.operations.transaction import transaction
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history
from datakit.repo.stagetree import read_lock
from datakit.repo.worktree.scan import scan

STAGES = ORDER[:-1]


def save(project: Project) -> str:
    """Run an operation that changes nothing itself; the newest subject."""
    with transaction(project.dataset, "look"):
        pass
    return next(history(project.dataset)).subject


def args(project: Project) -> dict[str, object]:
    return next(history(project.dataset)).args


def assert_clean(project: Project, git) -> None:
    assert git(project.dataset.root, "status", "--porcelain") == ""
    git(project.dataset.root, "fsck", "--strict")
    assert scan(project.dataset).edits == []


def files(root: Path, pattern: str) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.glob(pattern) if "export" not in path.parts}


def everywhere(key: str) -> set[str]:
    """The files of an item that is in every stage."""
    images = {f"{stage}/{key}.png" for stage in STAGES}
    return images | {f"raw/{key}.json"} | {f"{stage}/{key}.txt" for stage in STAGES[3:]}


def contents(root: Path, key: str) -> dict[str, bytes]:
    return {path.replace(key, ""): (root / path).read_bytes() for path in files(root, f"*/{key}.*")}


def with_settings(project: Project, text: str) -> Project:
    (project.dataset.root / "dsk.toml").write_text(text)
    return open_project(project.dataset.root)


def move(root: Path, old: str, new: str, *ends: str) -> None:
    for end in ends:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{old}.{end}").rename(root / f"{new}.{end}")


@pytest.mark.parametrize("stage", STAGES)
def test_an_image_renamed_in_one_stage_is_renamed_in_all(advanced: Project, git, stage: str) -> None:
    root = advanced.dataset.root
    before = contents(root, "aria/danbooru_1")
    move(root, f"{stage}/aria/danbooru_1", f"{stage}/aria/smile", "png")
    assert save(advanced) == f"{stage}: aria/danbooru_1 renamed aria/smile"
    assert args(advanced) == {"renamed": {"aria/danbooru_1": "aria/smile"}}
    assert files(root, "*/aria/smile.*") == everywhere("aria/smile")
    assert files(root, "*/aria/danbooru_1.*") == set()
    assert contents(root, "aria/smile") == before, "captions and record went along"
    assert_clean(advanced, git)
    assert [done.stage for done in advance(open_project(root))] == ["export"]
    assert_clean(advanced, git)


def test_an_undo_takes_the_whole_of_it_back(advanced: Project, git) -> None:
    root, tree = advanced.dataset.root, advanced.dataset.head_tree
    move(root, "wip/aria/danbooru_1", "wip/new/smile", "png", "txt")
    undo(advanced.dataset)
    assert advanced.dataset.head_tree == tree
    assert files(root, "*/aria/danbooru_1.*") == everywhere("aria/danbooru_1")
    assert files(root, "*/new/*") == set()
    assert_clean(advanced, git)
    assert advance(open_project(root)) == []


def test_a_rename_among_other_edits_is_told_with_them(advanced: Project, git) -> None:
    root = advanced.dataset.root
    move(root, "wip/aria/danbooru_1", "wip/aria/smile", "png", "txt")
    (root / "wip/aria/danbooru_0.txt").write_text("aria, hat")
    (root / "wip/aria/danbooru_2.txt").write_text("aria, cat")
    (root / "wip/beth/danbooru_0.png").unlink()
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n')
    assert save(advanced) == (
        "wip: 2 captions edited, 1 image removed, aria/danbooru_1 renamed aria/smile; dsk.toml edited"
    )
    assert (root / "raw/aria/smile.png").exists()
    assert not (root / "wip/beth/danbooru_0.png").exists()
    assert (root / "raw/beth/danbooru_0.png").exists()
    assert_clean(advanced, git)


@pytest.mark.parametrize("left_behind", [False, True])
def test_a_caption_that_is_rewritten_at_once_is_an_edited_caption(advanced: Project, git, left_behind: bool) -> None:
    root = advanced.dataset.root
    move(root, "wip/aria/danbooru_1", "wip/aria/smile", "png", *([] if left_behind else ["txt"]))
    (root / f"wip/aria/{'danbooru_1' if left_behind else 'smile'}.txt").write_text("aria, smile")
    assert save(advanced) == "wip: 1 caption edited, aria/danbooru_1 renamed aria/smile"
    assert (root / "wip/aria/smile.txt").read_text() == "aria, smile"
    assert not (root / "wip/aria/danbooru_1.txt").exists()
    assert (root / "cleaned/aria/smile.txt").read_text() != "aria, smile"
    assert_clean(advanced, git)
    advance(with_settings(advanced, '[cleaned]\ntrigger = "t"\n'), "wip")
    assert (root / "wip/aria/smile.txt").read_text() == "t, aria, smile", "still the person's, with what is new"


def test_a_file_under_the_new_name_keeps_the_old_one_where_it_is(advanced: Project, git) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/smile.txt").write_text("an orphan until now")
    save(advanced)
    old = (root / "wip/aria/danbooru_1.txt").read_bytes()
    move(root, "wip/aria/danbooru_1", "wip/aria/smile", "png")
    assert save(advanced) == "wip: aria/danbooru_1 renamed aria/smile"
    assert (root / "wip/aria/smile.txt").read_text() == "an orphan until now"
    assert (root / "wip/aria/danbooru_1.txt").read_bytes() == old
    assert (root / "cleaned/aria/smile.txt").exists()
    assert_clean(advanced, git)


def test_edits_of_the_item_in_another_stage_go_along(advanced: Project, git) -> None:
    root = advanced.dataset.root
    move(root, "raw/aria/danbooru_1", "raw/aria/smile", "png")
    (root / "wip/aria/danbooru_1.txt").write_text("aria, written before dsk saw the rename")
    (root / "edited/aria/danbooru_1.png").unlink()
    Image.new("RGB", (300, 300), "red").save(root / "edited/aria/danbooru_1.png")
    mine = (root / "edited/aria/danbooru_1.png").read_bytes()
    (root / "captioned/aria/danbooru_1.png").unlink()
    (root / "captioned/aria/danbooru_1.txt").unlink()
    assert save(advanced) == (
        "raw: aria/danbooru_1 renamed aria/smile; edited: 1 image edited; "
        "captioned: 1 caption removed, 1 image removed; wip: 1 caption edited"
    )
    assert (root / "wip/aria/smile.txt").read_text() == "aria, written before dsk saw the rename"
    assert (root / "edited/aria/smile.png").read_bytes() == mine
    assert files(root, "*/aria/danbooru_1.*") == set()
    assert files(root, "captioned/aria/smile.*") == set()
    assert_clean(advanced, git)


def test_a_whole_folder_renamed_is_all_its_items(advanced: Project, git) -> None:
    root = advanced.dataset.root
    shutil.move(root / "wip/aria", root / "wip/Ariadne")
    assert save(advanced) == "wip: 3 items renamed"
    assert args(advanced) == {"renamed": {f"aria/danbooru_{i}": f"Ariadne/danbooru_{i}" for i in range(3)}}
    assert files(root, "*/aria/*") == set()
    assert len(files(root, "*/Ariadne/*.png")) == 3 * len(STAGES)
    assert_clean(advanced, git)
    assert [done.stage for done in advance(open_project(root))] == ["export"]


def test_the_same_name_in_two_stages_is_one_rename(advanced: Project, git) -> None:
    root = advanced.dataset.root
    for stage in ("raw", "wip"):
        move(root, f"{stage}/aria/danbooru_1", f"{stage}/aria/smile", "png")
    assert save(advanced) == "raw: aria/danbooru_1 renamed aria/smile; wip: aria/danbooru_1 renamed aria/smile"
    assert files(root, "*/aria/smile.*") == everywhere("aria/smile")
    assert_clean(advanced, git)


def test_what_could_be_two_things_stays_as_it_was_found(advanced: Project, git) -> None:
    root = advanced.dataset.root
    move(root, "wip/aria/danbooru_0", "wip/aria/one", "png", "txt")
    move(root, "cleaned/aria/danbooru_0", "cleaned/aria/two", "png", "txt")
    move(root, "wip/aria/danbooru_1", "wip/aria/DANBOORU_2x", "png")
    move(root, "wip/beth/danbooru_0", "wip/beth/danbooru_0-copy", "png")
    shutil.copy(root / "raw/beth/danbooru_0.png", root / "wip/beth/other.png")
    subject = save(advanced)
    assert subject.startswith("cleaned: 1 image added, 1 image removed, aria/danbooru_0.txt renamed aria/two.txt; ")
    assert args(advanced) == {"renamed": {"aria/danbooru_1": "aria/DANBOORU_2x"}}
    assert files(root, "raw/aria/*.png") == {
        f"raw/aria/{name}.png" for name in ("danbooru_0", "DANBOORU_2x", "danbooru_2")
    }
    assert files(root, "raw/beth/*.png") == {"raw/beth/danbooru_0.png", "raw/beth/danbooru_1.png"}
    assert files(root, "wip/aria/one.*") == {"wip/aria/one.png", "wip/aria/one.txt"}
    assert_clean(advanced, git)


def test_a_copy_is_no_rename(advanced: Project, git) -> None:
    root = advanced.dataset.root
    shutil.copy(root / "wip/aria/danbooru_1.png", root / "wip/aria/copy.png")
    assert save(advanced) == "wip: 1 image added"
    assert files(root, "*/aria/copy.*") == {"wip/aria/copy.png"}
    assert_clean(advanced, git)


@pytest.mark.parametrize("holder", ["raw/aria/smile.txt", "edited/aria/SMILE.png"])
def test_a_name_that_another_stage_has_taken_is_not_carried(advanced: Project, git, holder: str) -> None:
    root = advanced.dataset.root
    shutil.copy(root / "raw/beth/danbooru_0.png", root / holder)
    save(advanced)
    move(root, "wip/aria/danbooru_1", "wip/aria/smile", "png", "txt")
    assert save(advanced) == "wip: 1 image added, 1 image removed, aria/danbooru_1.txt renamed aria/smile.txt"
    assert "renamed" not in args(advanced)
    assert (root / "raw/aria/danbooru_1.png").exists()
    assert files(root, "wip/aria/smile.*") == {"wip/aria/smile.png", "wip/aria/smile.txt"}
    assert_clean(advanced, git)


def test_a_name_that_is_taken_in_the_same_breath_is_not_carried(advanced: Project, git) -> None:
    root = advanced.dataset.root
    move(root, "wip/aria/danbooru_1", "wip/aria/smile", "png", "txt")
    Image.new("RGB", (300, 300), "red").save(root / "raw/aria/smile.png")
    red = (root / "raw/aria/smile.png").read_bytes()
    assert save(advanced).startswith("raw: 1 image added; wip: 1 image added, 1 image removed")
    assert (root / "raw/aria/smile.png").read_bytes() == red
    assert (root / "raw/aria/danbooru_1.png").exists()
    assert_clean(advanced, git)


def test_two_images_that_change_places_are_two_edits(advanced: Project, git) -> None:
    root = advanced.dataset.root
    move(root, "wip/aria/danbooru_0", "wip/aria/aside", "png")
    move(root, "wip/aria/danbooru_1", "wip/aria/danbooru_0", "png")
    move(root, "wip/aria/aside", "wip/aria/danbooru_1", "png")
    assert save(advanced) == "wip: 2 images edited"
    assert_clean(advanced, git)


def test_an_orphan_that_gets_its_images_name_is_a_renamed_caption(advanced: Project, git) -> None:
    root = advanced.dataset.root
    (root / "raw/aria/imag1.txt").write_text("1girl, from the site")
    save(advanced)
    move(root, "raw/aria/imag1", "raw/aria/danbooru_1", "txt")
    assert save(advanced) == "raw: aria/imag1.txt renamed aria/danbooru_1.txt"
    assert args(advanced) == {}
    assert_clean(advanced, git)


def test_hand_edits_ride_on_under_the_new_name(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_1.txt").write_text("aria, mine alone")
    (root / "cleaned/aria/danbooru_2.png").unlink()
    save(advanced)
    shutil.move(root / "raw/aria", root / "raw/zora")
    advance(with_settings(advanced, '[cleaned]\ntrigger = "t"\n'), "wip")
    assert (root / "wip/zora/danbooru_1.txt").read_text() == "t, aria, mine alone"
    assert not (root / "wip/zora/danbooru_2.png").exists()
    assert (root / "captioned/zora/danbooru_2.png").exists()


def test_the_machine_line_holds_what_the_locks_name(advanced: Project, git) -> None:
    dataset = advanced.dataset
    move(dataset.root, "wip/aria/danbooru_1", "wip/aria/smile", "png")
    save(advanced)
    reachable = git(dataset.root, "rev-list", "--objects", "HEAD")
    for stage in COMPUTED:
        lock = read_lock(dataset, dataset.head_tree, stage)
        assert lock is not None
        for tree in (lock.auto, *lock.inputs.values()):
            assert tree in reachable, stage
            assert "danbooru_1.png" not in git(dataset.root, "ls-tree", "-r", tree, "aria/").split("/")


def test_renames_in_a_dataset_whose_stages_never_ran(project: Project, git) -> None:
    root = project.dataset.root
    move(root, "raw/aria/danbooru_1", "raw/new/smile", "png")
    assert save(project) == "raw: aria/danbooru_1 renamed new/smile"
    assert (root / "raw/new/smile.json").exists()
    assert len(project.dataset.commit(project.dataset.head).parent_ids) == 1
    assert_clean(project, git)


def test_a_lock_that_somebody_wrote_stays_as_it_is(advanced: Project, git) -> None:
    root = advanced.dataset.root
    lock = root / "filtered/stage.json"
    lock.write_text(lock.read_text().replace('"version": 2', '"version": 0'))
    move(root, "wip/aria/danbooru_1", "wip/aria/smile", "png", "txt")
    assert "renamed" not in args(advanced)
    save(advanced)
    assert '"version": 0' in lock.read_text()
    assert (root / "raw/aria/danbooru_1.png").exists()
    assert_clean(advanced, git)


def test_an_image_renamed_and_then_painted_over_in_place_is_the_persons_in_that_stage_only(
    advanced: Project, git
) -> None:
    root = advanced.dataset.root
    original = (root / "raw/aria/danbooru_1.png").read_bytes()
    move(root, "wip/aria/danbooru_1", "wip/aria/smile", "png")
    (root / "wip/aria/smile.png").chmod(0o644)
    (root / "wip/aria/smile.png").write_bytes(original + b"painted")
    assert save(advanced) == "wip: 1 image added, 1 image removed"
    assert (root / "wip/aria/smile.png").read_bytes() == original + b"painted"
    for stage in STAGES[:-1]:
        assert (root / stage / "aria/danbooru_1.png").read_bytes() == original, stage
    assert_clean(advanced, git)


def test_status_shows_what_the_next_operation_will_find(advanced: Project) -> None:
    root = advanced.dataset.root
    shutil.move(root / "raw/aria", root / "raw/zora")
    status = read_status(open_project(root))
    assert status.hand_edits_summary == "raw: 3 items renamed"
    assert [stage.stage for stage in status.stages if stage.stale] == ["export"]
    assert [stage.num_by_hand for stage in status.stages] == [0] * len(status.stages)
