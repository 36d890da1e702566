"""dsk keep and dsk drop: a person's word stands against every rule and every rebuild."""

from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.deciding import drop, keep
from datakit.actions.exporting.writing import export_format
from datakit.actions.project import Project, open_project
from datakit.errors import StateError, UsageError
from datakit.model.lock import Conflict
from datakit.model.order import COMPUTED
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history
from datakit.repo.stagetree import read_lock


def with_settings(project: Project, text: str) -> Project:
    (project.dataset.root / "dsk.toml").write_text(text)
    return open_project(project.dataset.root)


def images(project: Project, stage: str) -> set[str]:
    root = project.dataset.root / stage
    return {path.relative_to(root).as_posix().removesuffix(".png") for path in root.rglob("*.png")}


def conflicts(project: Project, stage: str) -> dict[str, Conflict]:
    lock = read_lock(project.dataset, project.dataset.head_tree, stage)
    assert lock is not None
    return lock.conflicts


def assert_clean(project: Project, git) -> None:
    assert git(project.dataset.root, "status", "--porcelain") == ""
    git(project.dataset.root, "fsck", "--strict")


@pytest.fixture
def doubled(project: Project) -> Project:
    """A dataset in which filtered drops aria/zz, which has the bytes of another."""
    root = project.dataset.root
    shutil.copy(root / "raw/aria/danbooru_0.png", root / "raw/aria/zz.png")
    advance(project)
    return open_project(root)


@pytest.fixture
def torn(advanced: Project) -> Project:
    """A dataset with a conflict in edited: a person painted over an image, and then its source changed."""
    root = advanced.dataset.root
    for name, mode, colour in (("edited", "RGB", (255, 0, 0)), ("raw", "RGBA", (0, 0, 255, 128))):
        path = root / name / "aria/danbooru_1.png"
        path.unlink()
        Image.new(mode, (300, 300), colour).save(path)
    advance(open_project(root), "wip")
    return open_project(root)


def test_a_dropped_item_leaves_the_stage_and_the_later_ones_follow(advanced: Project, git) -> None:
    done = drop(advanced, ["aria/danbooru_1"], reason="  blurry,\nand dull ")
    assert done.subject == "drop: aria/danbooru_1 from filtered: blurry, and dull"
    assert next(history(advanced.dataset)).args == {"items": ["filtered/aria/danbooru_1"], "reason": "blurry, and dull"}
    assert "aria/danbooru_1" in images(advanced, "raw")
    assert "aria/danbooru_1" not in images(advanced, "filtered")
    assert_clean(advanced, git)
    advance(open_project(advanced.dataset.root))
    for stage in COMPUTED:
        assert "aria/danbooru_1" not in images(advanced, stage)
    assert not (advanced.dataset.root / "wip/aria/danbooru_1.txt").exists()
    assert_clean(advanced, git)


def test_a_drop_survives_rebuilds_and_an_undo_takes_it_back(advanced: Project, git) -> None:
    tree = advanced.dataset.head_tree
    drop(advanced, ["aria/danbooru_1"], reason="blurry")
    again = with_settings(advanced, '[filtered.too-small]\nmin_side_px = 100\n[cleaned]\ntrigger = "t"\n')
    advance(again)
    assert all("aria/danbooru_1" not in images(again, stage) for stage in COMPUTED)
    (again.dataset.root / "raw/aria/danbooru_1.png").unlink()
    Image.new("RGB", (300, 300), "red").save(again.dataset.root / "raw/aria/danbooru_1.png")
    advance(again)
    assert "aria/danbooru_1" not in images(again, "filtered")
    while again.dataset.head_tree != tree:
        undo(again.dataset)
    assert "aria/danbooru_1" in images(again, "wip")
    assert_clean(again, git)


def test_a_path_or_an_option_names_the_stage(advanced: Project) -> None:
    drop(advanced, ["wip/aria/danbooru_1.png", "aria/danbooru_2"], reason="x")
    assert images(advanced, "cleaned") - images(advanced, "wip") == {"aria/danbooru_1"}
    assert images(advanced, "raw") - images(advanced, "filtered") == {"aria/danbooru_2"}
    assert not (advanced.dataset.root / "wip/aria/danbooru_1.txt").exists()
    done = drop(advanced, ["beth/*"], reason="a" * 70, stage="raw")
    assert done.subject == "drop: 2 items from raw", "a long reason is for the trailer"
    assert not list(advanced.dataset.root.glob("raw/beth/*"))
    with pytest.raises(UsageError, match="is in wip, and --stage says raw"):
        drop(advanced, ["wip/aria/danbooru_0.png"], reason="x", stage="raw")


def test_what_cannot_be_dropped_is_told(doubled: Project, git) -> None:
    head = doubled.dataset.head
    with pytest.raises(UsageError, match="a reason is needed"):
        drop(doubled, ["aria/danbooru_1"], reason=" ")
    with pytest.raises(
        StateError, match="aria/zz is dropped from filtered already: exact-duplicate, the same"
    ) as caught:
        drop(doubled, ["aria/zz"], reason="x")
    assert caught.value.hint == "dsk why aria/zz"
    with pytest.raises(UsageError, match="no stage 'wop'"):
        drop(doubled, ["aria/danbooru_1"], reason="x", stage="wop")
    with pytest.raises(UsageError, match="no item"):
        drop(doubled, ["aria/nobody"], reason="x")
    assert doubled.dataset.head == head
    Image.new("RGB", (300, 300), "red").save(doubled.dataset.root / "raw/aria/new.png")
    with pytest.raises(StateError, match="aria/new is not in filtered") as caught:
        drop(doubled, ["aria/new"], reason="x")
    assert caught.value.hint == "dsk advance filtered comes first"
    assert_clean(doubled, git)


@pytest.mark.parametrize("word", ["aria/zz", "zz", "raw/aria/zz.png", "filtered/aria/zz.png"])
def test_what_a_rule_dropped_comes_back_and_stays(doubled: Project, git, word: str) -> None:
    done = keep(doubled, [word])
    assert done.subject == "keep: aria/zz in filtered (overrules exact-duplicate)"
    assert done.decisions[0].rule_reason == "the same bytes as aria/danbooru_0"
    assert_clean(doubled, git)
    advance(open_project(doubled.dataset.root), "wip")
    again = with_settings(doubled, "[filtered.too-small]\nmin_side_px = 100\n")
    advance(again, "wip")
    for stage in COMPUTED:
        assert "aria/zz" in images(again, stage)
    assert_clean(again, git)
    with pytest.raises(UsageError, match="aria/zz is in every stage"):
        keep(again, ["aria/zz"])


def test_what_a_person_removed_comes_back_as_the_stage_made_it(advanced: Project, git) -> None:
    root = advanced.dataset.root
    caption = (root / "wip/aria/danbooru_1.txt").read_bytes()
    drop(advanced, ["wip/aria/danbooru_1.png"], reason="x")
    done = keep(advanced, ["aria/danbooru_1"])
    assert done.subject == "keep: aria/danbooru_1 in wip"
    assert (root / "wip/aria/danbooru_1.txt").read_bytes() == caption
    assert_clean(advanced, git)
    assert advance(open_project(root)) == []


def test_items_come_back_in_the_first_stage_that_lacks_them(advanced: Project) -> None:
    drop(advanced, ["aria/danbooru_1"], reason="x")
    advance(open_project(advanced.dataset.root))
    with pytest.raises(StateError, match="filtered does not have it either"):
        keep(advanced, ["aria/danbooru_1"], stage="edited")
    with pytest.raises(UsageError, match="no conflict, so there is no other side"):
        keep(advanced, ["aria/danbooru_1"], theirs=True)
    assert keep(advanced, ["aria/danbooru_1"]).decisions[0].stage == "filtered"
    with pytest.raises(StateError, match="has not come to edited yet"):
        keep(advanced, ["aria/danbooru_1"])
    advance(open_project(advanced.dataset.root))
    assert "aria/danbooru_1" in images(advanced, "wip")


def test_a_conflict_is_decided_for_the_file_as_it_is(torn: Project, git) -> None:
    root = torn.dataset.root
    mine = (root / "edited/aria/danbooru_1.png").read_bytes()
    assert conflicts(torn, "edited").keys() == {"aria/danbooru_1.png"}
    with pytest.raises(StateError, match="yours stands") as caught:
        export_format(torn, "kohya")
    assert caught.value.hint.startswith("dsk keep edited/aria/danbooru_1.png keeps yours")
    with pytest.raises(UsageError, match="in wip and has no conflict"):
        keep(torn, ["aria/danbooru_1"], stage="wip")
    assert keep(torn, ["aria/danbooru_1"]).subject == "keep: aria/danbooru_1 in edited, as it is"
    assert conflicts(torn, "edited") == {}
    assert (root / "edited/aria/danbooru_1.png").read_bytes() == mine
    assert_clean(torn, git)
    advance(with_settings(torn, '[cleaned]\ntrigger = "t"\n[edited]\n'))
    assert conflicts(torn, "edited") == {}
    assert (root / "wip/aria/danbooru_1.png").read_bytes() == mine
    assert_clean(torn, git)


def test_a_conflict_is_decided_for_the_other_side(torn: Project, git) -> None:
    root = torn.dataset.root
    mine = (root / "edited/aria/danbooru_1.png").read_bytes()
    assert keep(torn, ["aria/danbooru_1"], theirs=True).subject.endswith("edited, theirs taken")
    theirs = (root / "edited/aria/danbooru_1.png").read_bytes()
    assert theirs != mine
    with Image.open(root / "edited/aria/danbooru_1.png") as image:
        assert image.mode == "RGB", "as the stage makes it: opaque"
    assert conflicts(torn, "edited") == {}
    assert_clean(torn, git)
    advance(open_project(root))
    assert (root / "wip/aria/danbooru_1.png").read_bytes() == theirs
    undo(torn.dataset)
    assert_clean(torn, git)


def test_the_other_side_may_have_another_name_or_none(advanced: Project, git) -> None:
    root = advanced.dataset.root
    for name in ("aria/danbooru_1", "aria/danbooru_2"):
        (root / f"edited/{name}.png").unlink()
        Image.new("RGB", (300, 300), "red").save(root / f"edited/{name}.webp")
        (root / f"raw/{name}.png").unlink()
    Image.new("RGB", (300, 300), "blue").save(root / "raw/aria/danbooru_1.png")
    advance(open_project(root), "wip")
    found = conflicts(advanced, "edited")
    assert found.keys() == {"aria/danbooru_1.webp", "aria/danbooru_2.webp"}
    assert found["aria/danbooru_2.webp"].theirs == ""
    done = keep(advanced, ["aria/danbooru_1", "aria/danbooru_2"], theirs=True)
    assert [one.is_gone for one in done.decisions] == [False, True]
    assert [path.name for path in sorted(root.glob("edited/aria/danbooru_[12].*"))] == ["danbooru_1.png"]
    assert conflicts(advanced, "edited") == {}
    assert_clean(advanced, git)
    advance(open_project(root))
    assert images(advanced, "wip") == {"aria/danbooru_0", "aria/danbooru_1", "beth/danbooru_0", "beth/danbooru_1"}


def test_of_several_items_those_to_which_it_does_not_apply_are_left_alone(doubled: Project, git) -> None:
    done = drop(doubled, ["aria/*", "beth/danbooru_0"], reason="x")
    assert [one.key for one in done.decisions] == [f"aria/danbooru_{i}" for i in range(3)] + ["beth/danbooru_0"]
    assert [(one.key, one.why) for one in done.skipped] == [("aria/zz", "not in filtered")]
    assert done.decisions[0].reason == "x"
    with pytest.raises(StateError, match=r"none of the 4 items of 'aria/\*': aria/danbooru_0 is dropped .* already: x"):
        drop(doubled, ["aria/*"], reason="x")
    kept = keep(doubled, ["aria/*", "beth/*"])
    assert kept.subject == "keep: 5 items in filtered (overrules exact-duplicate)"
    assert [(one.key, one.why) for one in kept.skipped] == [
        ("beth/danbooru_1", "is in every stage and has no conflict to decide")
    ]
    assert_clean(doubled, git)


def test_what_was_dropped_from_its_only_stage_comes_back_by_restore(advanced: Project) -> None:
    Image.new("RGB", (300, 300), "red").save(advanced.dataset.root / "wip/aria/own one.png")
    drop(advanced, ["wip/aria/own one.png"], reason="x")
    with pytest.raises(UsageError, match="aria/own one is in no stage any more") as caught:
        keep(advanced, ["aria/own one"])
    assert caught.value.hint == "dsk restore 'aria/own one' brings it back"


def test_the_commands_say_what_they_did(doubled: Project, dsk, git) -> None:
    root = doubled.dataset.root
    done = dsk(root, "keep", "aria/zz")
    assert done.stdout.splitlines() == [
        "keep: aria/zz in filtered (overrules exact-duplicate)",
        "  filtered/aria/zz: back, although exact-duplicate says: the same bytes as aria/danbooru_0",
        "next: dsk advance carries that on to the later stages",
    ]
    assert dsk(root, "drop", "aria/zz").returncode == 2
    done = dsk(root, "drop", "aria/zz", "--reason", "twice is enough", "--json")
    assert json.loads(done.stdout)["decisions"][0]["files"] == ["filtered/aria/zz.png"]
    assert json.loads(done.stdout)["decisions"][0]["reason"] == "twice is enough"
    done = dsk(root, "drop", "aria/zz", "aria/danbooru_0", "--reason", "x")
    assert "left alone: 1 item: aria/zz is not in filtered" in done.stdout.splitlines()
    assert_clean(doubled, git)
