"""dsk mv: one name, in every stage at once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.renaming import rename
from datakit.errors import UsageError
from datakit.model.item import split_path
from datakit.model.order import COMPUTED
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history
from datakit.repo.stagetree import read_lock


def keys(project: Project, stage: str = "raw") -> set[str]:
    root = project.dataset.root / stage
    return {split_path(path.relative_to(root).as_posix())[0] for path in root.rglob("*.png")}


def assert_clean(project: Project, git) -> None:
    assert git(project.dataset.root, "status", "--porcelain") == ""
    git(project.dataset.root, "fsck", "--strict")


def up_to_date(project: Project) -> bool:
    return advance(open_project(project.dataset.root), "wip") == []


def test_an_item_is_renamed_in_every_stage_and_nothing_must_run_again(advanced: Project, git) -> None:
    root = advanced.dataset.root
    record = (root / "raw/aria/danbooru_1.json").read_bytes()
    (root / "wip/aria/danbooru_1.txt").write_text("mine")
    done = rename(advanced, ["aria/danbooru_1"], "beth/smile")
    assert done.renamed == {"aria/danbooru_1": "beth/smile"}
    assert done.subject == "mv: aria/danbooru_1 to beth/smile"
    assert [one.op for one in history(advanced.dataset)][:2] == ["mv", "edit"]
    assert next(history(advanced.dataset)).args == {"renamed": done.renamed}
    for stage in ("raw", *COMPUTED):
        assert "beth/smile" in keys(advanced, stage)
        assert "aria/danbooru_1" not in keys(advanced, stage)
    assert (root / "raw/beth/smile.json").read_bytes() == record, "where it came from is not forgotten"
    assert (root / "wip/beth/smile.txt").read_text() == "mine"
    assert_clean(advanced, git)
    assert up_to_date(advanced)
    assert [one.subject for one in advance(open_project(root))] == ["export: kohya, 5 images"]
    assert (root / "export/kohya/1_beth/smile.txt").read_text() == "mine"
    assert_clean(advanced, git)


def test_an_item_that_comes_to_another_concept_gets_its_trigger(advanced: Project, git) -> None:
    root = advanced.dataset.root
    with (root / "dsk.toml").open("a") as file:
        file.write('\n[cleaned.triggers]\naria = "aria_v1"\nbeth = "beth_v1"\n')
    advance(open_project(root), "wip")
    was = (root / "wip/aria/danbooru_1.txt").read_text()
    (root / "wip/aria/danbooru_1.txt").write_text(f"{was}, mine")
    rename(open_project(root), ["aria/danbooru_1"], "beth/smile")
    rename(open_project(root), ["beth/smile"], "beth/laugh")
    done = advance(open_project(root), "wip")
    assert [one.num_computed for one in done] == [1, 1], "cleaned and wip, and no other item"
    assert (root / "cleaned/beth/laugh.txt").read_text() == was.replace("aria_v1", "beth_v1")
    assert (root / "wip/beth/laugh.txt").read_text() == was.replace("aria_v1", "beth_v1") + ", mine"
    assert up_to_date(advanced)
    rename(open_project(root), ["beth/laugh"], "beth/smile")
    assert up_to_date(advanced), "it stays in its concept"
    assert_clean(advanced, git)


def test_an_item_that_comes_to_another_concept_is_edited_as_that_one_is(advanced: Project, git) -> None:
    root = advanced.dataset.root
    with (root / "dsk.toml").open("a") as file:
        file.write('\n[[edited.steps]]\ndo = "limit"\narea_px = 256\nwhere = "concept:beth"\n')
    advance(open_project(root), "wip")
    with Image.open(root / "wip/aria/danbooru_1.png") as image:
        assert image.width * image.height > 256
    rename(open_project(root), ["aria/danbooru_1"], "beth/smile")
    advance(open_project(root), "wip")
    with Image.open(root / "wip/beth/smile.png") as image:
        assert image.width * image.height <= 256
    assert up_to_date(advanced)
    assert_clean(advanced, git)


def test_an_undo_brings_every_name_back(advanced: Project, git) -> None:
    tree = advanced.dataset.head_tree
    rename(advanced, ["aria/*"], "cora/")
    undo(advanced.dataset)
    assert advanced.dataset.head_tree == tree
    assert_clean(advanced, git)
    assert advance(open_project(advanced.dataset.root)) == []


def test_hand_edits_ride_on_through_a_rebuild(advanced: Project, git) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_1.txt").write_text("aria, hat")
    (root / "filtered/aria/danbooru_0.png").unlink()
    rename(advanced, ["aria/danbooru_1", "danbooru_2", "aria/danbooru_0"], "cora/")
    (root / "dsk.toml").write_text('[cleaned]\ntrigger = "t"\n[filtered.too-small]\nmin_side_px = 100\n')
    advance(open_project(root))
    assert (root / "wip/cora/danbooru_1.txt").read_text() == "t, aria, hat"
    assert keys(advanced, "wip") == {"cora/danbooru_1", "cora/danbooru_2", "beth/danbooru_0", "beth/danbooru_1"}
    assert_clean(advanced, git)


@pytest.fixture
def doubled(project: Project) -> Project:
    """That dataset with an image that filtered drops, since another has its bytes, and a conflict in edited."""
    root = project.dataset.root
    shutil.copy(root / "raw/aria/danbooru_0.png", root / "raw/aria/zz.png")
    advance(project)
    for name, colour in (("edited", (255, 0, 0)), ("raw", (0, 0, 255, 128))):
        path = root / name / "aria/danbooru_1.png"
        path.unlink()
        Image.new("RGBA" if len(colour) > 3 else "RGB", (300, 300), colour).save(path)
    advance(open_project(root), "wip")
    return open_project(root)


def test_verdicts_and_conflicts_follow(doubled: Project, git) -> None:
    dataset = doubled.dataset
    rename(doubled, ["aria/danbooru_0"], "aria/first")
    rename(doubled, ["aria/zz"], "beth/double")
    rename(doubled, ["aria/danbooru_1"], "cora/torn")
    filtered, edited = (read_lock(dataset, dataset.head_tree, stage) for stage in ("filtered", "edited"))
    assert filtered is not None
    assert edited is not None
    assert filtered.dropped["beth/double"].evidence["keeper"] == "aria/first"
    assert filtered.dropped["beth/double"].reason == "the same bytes as aria/first"
    assert filtered.dropped.keys() == {"beth/double"}
    assert edited.conflicts.keys() == {"cora/torn.png"}
    assert_clean(doubled, git)
    assert up_to_date(doubled)


def test_a_stale_stage_stays_as_stale_as_it_was(advanced: Project) -> None:
    root = advanced.dataset.root
    Image.new("RGB", (300, 300), "red").save(root / "raw/aria/new.png")
    rename(advanced, ["aria/danbooru_1"], "aria/smile")
    done = advance(open_project(root), "wip")
    assert [(one.stage, one.num_computed) for one in done] == [(stage, 1) for stage in COMPUTED]
    assert keys(advanced, "wip") >= {"aria/smile", "aria/new"}


def test_the_name_of_an_item_that_is_gone_can_be_given_again(advanced: Project, git) -> None:
    root = advanced.dataset.root
    for path in [*root.glob("raw/aria/danbooru_0.*"), *root.glob("[!re]*/aria/danbooru_0.*")]:
        path.unlink()
    (root / "edited/aria/danbooru_0.png").unlink()
    rename(advanced, ["aria/danbooru_1"], "aria/danbooru_0")
    advance(open_project(root))
    assert keys(advanced, "wip") == {"aria/danbooru_0", "aria/danbooru_2", "beth/danbooru_0", "beth/danbooru_1"}
    assert (root / "wip/aria/danbooru_0.txt").exists()
    assert_clean(advanced, git)


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ("aria/danbooru_2", "taken by raw/aria/danbooru_2.png"),
        ("aria/DANBOORU_2", "taken by raw/aria/danbooru_2.png"),
        ("ARIA/fresh", "aria/ is there"),
        ("beth", "is a concept"),
        ("wip/beth", "is a concept"),
        ("../x", "leads out"),
        ("aria/../../x", "leads out"),
        ("/etc/passwd", "leads out"),
        ("../../cora/", "leads out"),
        ("export/kohya/x", "written by dsk export"),
        ("", "is no name"),
        ("/", "leads out"),
        ("./", "leads out"),
        ("wip/stage.json", "lock"),
    ],
)
def test_a_name_that_cannot_be_is_refused(advanced: Project, git, new: str, says: str) -> None:
    before = advanced.dataset.head
    with pytest.raises(UsageError, match=says):
        rename(advanced, ["aria/danbooru_1"], new)
    assert advanced.dataset.head == before
    assert_clean(advanced, git)


@pytest.mark.parametrize(
    ("new", "key"),
    [
        ("CON", "aria/_CON"),
        ("aria/lpt1.", "aria/_lpt1"),
        ("cora:/", "cora_/danbooru_1"),
        ("aria/two\nlines", "aria/two_lines"),
        ("aria/cafe\u0301", "aria/caf\u00e9"),
        ("aria/.hidden", "aria/hidden"),
        ("..\\..\\x", "aria/_.._x"),
    ],
)
def test_a_name_that_not_every_computer_holds_is_made_portable_and_said(
    advanced: Project, git, new: str, key: str
) -> None:
    done = rename(advanced, ["aria/danbooru_1"], new)
    assert done.renamed == {"aria/danbooru_1": key}
    assert len(done.notes) == 1
    assert key in keys(advanced, "wip")
    assert_clean(advanced, git)


def test_upper_and_lower_case_can_be_changed(advanced: Project, git) -> None:
    rename(advanced, ["aria/danbooru_1"], "aria/Danbooru_1")
    rename(advanced, ["aria/*"], "Aria/")
    assert {key for key in keys(advanced, "wip") if "ria" in key} == {
        "Aria/danbooru_0",
        "Aria/Danbooru_1",
        "Aria/danbooru_2",
    }
    assert_clean(advanced, git)
    assert up_to_date(advanced)


def test_words_may_be_paths_and_names_as_a_shell_gives_them(
    advanced: Project, git, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = advanced.dataset.root
    monkeypatch.chdir(root / "wip/aria")
    assert rename(advanced, ["danbooru_0.png"], "first.png").renamed == {"aria/danbooru_0": "aria/first"}

    assert rename(advanced, ["first.png"], "../cora/last.png").renamed == {"aria/first": "cora/last"}
    assert rename(advanced, ["../cora/last.png"], ".").renamed == {"cora/last": "aria/last"}
    assert rename(advanced, [str(root / "wip/aria/last.png")], str(root / "wip/aria/x")).renamed == {
        "aria/last": "aria/x"
    }
    with pytest.raises(UsageError, match="from raw to wip"):
        rename(advanced, [str(root / "raw/aria/x.png")], str(root / "wip/aria/y.png"))
    assert rename(advanced, ["x.png"], "aria/x").commit == ""
    assert_clean(advanced, git)


def test_a_name_that_is_no_utf8_can_be_left_behind(advanced: Project, git) -> None:
    raw = os.fsencode(advanced.dataset.root) + b"/raw/aria/"
    os.rename(raw + b"danbooru_1.png", raw + b"b\xffd.png")  # noqa: PTH104
    done = rename(advanced, [os.fsdecode(b"aria/b\xffd")], "aria/good")
    assert "aria/good" in keys(advanced, "wip")
    assert [one.subject for one in history(advanced.dataset)][:2] == [
        "mv: aria/b\\udcffd to aria/good",
        "raw: aria/danbooru_1 renamed aria/b\\udcffd",
    ]
    assert done.commit
    assert_clean(advanced, git)


def test_one_name_for_several_items_is_refused(advanced: Project) -> None:
    with pytest.raises(UsageError, match="one name, for 3 items"):
        rename(advanced, ["aria/*"], "cora")
    with pytest.raises(UsageError, match="taken by aria/danbooru_0"):
        rename(advanced, ["aria/danbooru_0", "beth/danbooru_0"], "cora/")


def test_import_knows_items_by_what_they_are(project: Project, tmp_path: Path) -> None:
    scrape = tmp_path / "scrape"
    rename(project, ["aria/danbooru_1"], "beth/smile")
    rename(project, ["beth/danbooru_0"], "aria/danbooru_1")
    before = project.dataset.head_tree
    report = import_folder(project, scrape)
    assert (len(report.already), report.num_imported) == (5, 0)
    assert project.dataset.head_tree == before
    report = import_folder(project, scrape / "danbooru/aria")
    assert (len(report.already), report.num_imported) == (3, 0), "from further down"
    shutil.copy(scrape / "danbooru/aria/danbooru_1.png", scrape / "danbooru/aria/another.png")
    report = import_folder(project, scrape)
    assert report.concepts == {"aria": 1}, "the same bytes from another place are another item"
    (scrape / "danbooru/aria/danbooru_2.txt").write_text("a caption at last")
    report = import_folder(project, scrape)
    assert report.adopted == {"danbooru/aria/danbooru_2.txt": "raw/aria/danbooru_2.txt"}


def test_the_command_says_what_it_did(advanced: Project, dsk, git) -> None:
    root = advanced.dataset.root
    done = dsk(root, "mv", "aria/danbooru_1", "aria/danbooru_2", "Cora?/")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "mv: 2 items to Cora_/",
        "  aria/danbooru_1 → Cora_/danbooru_1",
        "  aria/danbooru_2 → Cora_/danbooru_2",
    ]
    assert done.stderr == "note: 'Cora?' is no name that every computer can hold; it became Cora_\n"
    done = dsk(root, "mv", "Cora_/danbooru_1", "aria/x", "--json")
    assert json.loads(done.stdout)["renamed"] == {"Cora_/danbooru_1": "aria/x"}
    done = dsk(root, "mv", "aria/x", "danbooru_0")
    assert done.returncode == 2
    assert "that name is taken by raw/aria/danbooru_0.png" in done.stderr
    assert_clean(advanced, git)
