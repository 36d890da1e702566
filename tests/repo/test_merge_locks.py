"""After a merge, `dsk advance` ends where computing everything from nothing would end: no side's output lingers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.branching import merge, switch
from datakit.actions.importing import import_folder
from datakit.actions.project import Project
from datakit.model.order import COMPUTED
from datakit.repo.operations.undo import redo, undo
from datakit.repo.revisions import resolve_revision
from datakit.repo.stagetree import read_lock
from datakit.store.objects import find

Work = Callable[[Project], None]


def settings(text: str) -> Work:
    return lambda project: (project.dataset.root / "dsk.toml").write_text(text) and None


def tagged(key: str, *tags: str) -> Work:
    """Other tags in an item's record."""

    def work(project: Project) -> None:
        path = project.dataset.root / f"raw/{key}.json"
        record = json.loads(path.read_text())
        record["tags"]["general"] = list(tags)
        path.write_text(json.dumps(record))

    return work


def restored(key: str) -> Work:
    """The record as it was when the branches parted."""

    def work(project: Project) -> None:
        dataset = project.dataset
        entry = find(dataset.objects, dataset.tree_of(resolve_revision(dataset, "main")) or b"", f"raw/{key}.json")
        assert entry is not None
        (dataset.root / f"raw/{key}.json").write_bytes(dataset.objects.read(entry.oid))

    return work


def ran(project: Project) -> None:
    advance(again(project), "wip")


def both(*works: Work) -> Work:
    def work(project: Project) -> None:
        for one in works:
            one(again(project))

    return work


def copied(old: str, new: str) -> Work:
    """The same image once more, under another name."""

    def work(project: Project) -> None:
        root = project.dataset.root
        for extension in ("png", "json"):
            (root / f"raw/{new}.{extension}").write_bytes((root / f"raw/{old}.{extension}").read_bytes())

    return work


def painted(path: str, colour: str) -> Work:
    def work(project: Project) -> None:
        target = project.dataset.root / path
        target.unlink(missing_ok=True)
        Image.new("RGB", (300, 301), colour).save(target)

    return work


def removed(key: str) -> Work:
    def work(project: Project) -> None:
        for path in project.dataset.root.glob(f"raw/{key}.*"):
            path.unlink()

    return work


def autos(project: Project) -> dict[str, str]:
    dataset = again(project).dataset
    locks = {stage: read_lock(dataset, dataset.head_tree, stage) for stage in COMPUTED}
    return {stage: lock.auto for stage, lock in locks.items() if lock}


def assert_as_from_nothing(project: Project) -> None:
    advance(again(project), "wip")
    found = autos(project)
    for stage in COMPUTED:
        path = project.dataset.root / stage / "stage.json"
        lock = json.loads(path.read_text())
        path.write_text(json.dumps({**lock, "config": "another"}))
    assert [one.stage for one in advance(again(project), "wip")] == list(COMPUTED)
    assert autos(project) == found


CASES: dict[str, tuple[str, Work, Work]] = {
    "both ran with their own trigger": (
        "ours", both(settings('[cleaned]\ntrigger = "a"\n'), ran), both(settings('[cleaned]\ntrigger = "b"\n'), ran)
    ),
    "theirs is preferred": (
        "theirs", both(settings('[cleaned]\ntrigger = "a"\n'), ran), both(settings('[cleaned]\ntrigger = "b"\n'), ran)
    ),
    "a setting there that was taken back and not run again": (
        "",
        both(tagged("aria/danbooru_0", "sky"), ran),
        both(settings('[cleaned]\ntrigger = "b"\n'), ran, settings("")),
    ),
    "a record there that was taken back and not run again": (
        "",
        both(tagged("beth/danbooru_0", "sky"), ran),
        both(tagged("aria/danbooru_0", "sea"), ran, restored("aria/danbooru_0")),
    ),
    "two settings of one stage": (
        "",
        both(settings('[cleaned]\ntrigger = "a"\n\n\n\n'), ran),
        both(settings('\n\n\n[filtered.too-small]\nmin_side_px = 10\n'), ran),
    ),
    "one image twice, once here and once there": (
        "",
        both(copied("aria/danbooru_0", "beth/again"), ran),
        both(copied("aria/danbooru_0", "aria/again"), tagged("beth/danbooru_0", "sky"), ran),
    ),
    "the same tags with another trigger": (
        "",
        both(settings('[cleaned]\ntrigger = "a"\n'), tagged("aria/danbooru_0", "sky"), ran),
        both(tagged("aria/danbooru_0", "sky"), tagged("beth/danbooru_0", "sea"), ran),
    ),
    "an image replaced there, its item removed here": (
        "", both(removed("aria/danbooru_0"), ran), both(painted("raw/aria/danbooru_0.png", "red"), ran)
    ),
    "an item removed there, its tags changed here": (
        "", both(tagged("aria/danbooru_0", "sky"), ran), both(removed("aria/danbooru_0"), ran)
    ),
    "nothing ran on either side": (
        "", both(tagged("aria/danbooru_0", "sky")), both(tagged("beth/danbooru_0", "sea"), removed("aria/danbooru_1"))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_as_from_nothing(project: Project, name: str) -> None:
    prefer, here, there = CASES[name]
    (project.dataset.root / "dsk.toml").write_text("")
    ran(project)
    switch(again(project), "idea", create=True)
    there(again(project))
    switch(again(project), "main")
    here(again(project))
    merge(again(project), "idea", prefer=prefer)
    assert_as_from_nothing(project)


def test_new_images_on_both_sides_and_merged_both_ways(project: Project, scrape: Callable[..., Path]) -> None:
    (project.dataset.root / "dsk.toml").write_text("")
    ran(project)
    one, other = scrape("one", cleo=2), scrape("other", dora=2)
    switch(again(project), "idea", create=True)
    import_folder(again(project), other)
    ran(project)
    switch(again(project), "main")
    import_folder(again(project), one)
    ran(project)
    merge(again(project), "idea")
    ran(project)
    switch(again(project), "idea")
    settings('[cleaned]\ntrigger = "b"\n')(project)
    ran(project)
    merge(again(project), "main")
    assert_as_from_nothing(project)
    switch(again(project), "main")
    merge(again(project), "idea")
    assert advance(again(project), "wip") == []
    assert len(list(project.dataset.root.glob("wip/*/*.png"))) == 9


def test_a_merge_that_was_undone_can_be_done_again_later(project: Project) -> None:
    root = project.dataset.root
    (root / "dsk.toml").write_text("")
    ran(project)
    switch(again(project), "idea", create=True)
    (root / "wip/aria/danbooru_0.txt").write_text("there, 1girl")
    switch(again(project), "main")
    (root / "wip/aria/danbooru_1.txt").write_text("here, 1girl")
    merge(again(project), "idea")
    assert merge(again(project), "idea").commit == ""
    undo(again(project).dataset)
    (root / "wip/beth/danbooru_0.txt").write_text("later, 1girl")
    done = merge(again(project), "idea")
    assert (done.num_operations, done.conflicts) == (1, ())
    assert (root / "wip/aria/danbooru_0.txt").read_text() == "there, 1girl"
    assert (root / "wip/aria/danbooru_1.txt").read_text() == "here, 1girl"
    assert (root / "wip/beth/danbooru_0.txt").read_text() == "later, 1girl"
    assert merge(again(project), "idea").commit == ""
    undo(again(project).dataset)
    redo(again(project).dataset)
    assert merge(again(project), "idea").commit == ""
