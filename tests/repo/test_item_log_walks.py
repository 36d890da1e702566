"""dsk log ITEM: what every operation did to one item, under all its names."""

from __future__ import annotations

import json
import time

import pygit2
import pytest

from datakit.actions.advancing import advance
from datakit.actions.deciding import drop
from datakit.actions.project import Project, open_project
from datakit.actions.renaming import rename
from datakit.errors import UsageError
from datakit.repo.items import STAGES_OF_ITEMS, item_files, known_keys
from datakit.repo.operations.transaction import session
from datakit.repo.operations.undo import redo, undo
from datakit.repo.oplog import encode_commit, message
from datakit.repo.past.itemlog import ItemEvent, ItemFinder, item_events
from datakit.repo.past.pastitems import gone_keys, last_seen, resolve_ever, resolve_one_ever, was_ever
from datakit.store.objects import edit_tree

KEY = "aria/danbooru_1"


def events(project: Project, key: str = KEY) -> list[ItemEvent]:
    return list(item_events(project.dataset, key))


def told(event: ItemEvent) -> list[str]:
    """What was done, as `wip: image added`."""
    lines = []
    for stage in event.stages:
        marks = {"image": stage.image, "record": stage.record, "caption": stage.caption and stage.caption.mark}
        lines += [f"{stage.stage}: {thing} {mark}" for thing, mark in marks.items() if mark]
    return lines


def commit_edits(project: Project) -> None:
    with session(open_project(project.dataset.root).dataset):
        pass


def test_an_items_way_through_the_stages(advanced: Project) -> None:
    found = events(advanced)
    assert [one.operation.op for one in found] == ["wip", "cleaned", "captioned", "edited", "filtered", "import"]
    assert told(found[-1]) == ["raw: image added", "raw: record added"]
    assert told(found[0]) == ["wip: image added", "wip: caption added"]
    assert found[0].stages[0].caption is not None
    assert "blue hair" in found[0].stages[0].caption.tags_added


def test_edits_say_which_tags_came_and_went(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / f"wip/{KEY}.txt").write_text("aria, me, 1girl, ^_^, smile")
    (root / "wip/aria/danbooru_2.txt").write_text("other")
    commit_edits(advanced)
    newest, *rest = events(advanced)
    assert len(rest) == 6
    (change,) = newest.stages
    assert change.caption is not None
    assert (change.stage, change.image, change.record) == ("wip", None, None)
    assert (change.caption.tags_added, change.caption.tags_removed) == (("smile",), ("blue hair",))
    (root / f"wip/{KEY}.txt").unlink()
    (root / f"raw/{KEY}.json").write_text("{}")
    commit_edits(advanced)
    assert told(events(advanced)[0]) == ["raw: record changed", "wip: caption removed"]


def test_renames_are_followed_back_and_forth(advanced: Project) -> None:
    plain = len(events(advanced))
    rename(advanced, [KEY], "beth/moved")
    (advanced.dataset.root / "wip/beth/moved.txt").write_text("smile")
    commit_edits(advanced)
    found = events(advanced, "beth/moved")
    assert [(one.key, one.was) for one in found[:2]] == [("beth/moved", ""), ("beth/moved", KEY)]
    assert found[1].stages == ()
    assert len(found) == plain + 2
    gone = events(advanced)
    assert (gone[0].renamed_to, len(gone)) == ("beth/moved", plain + 1)
    undo(advanced.dataset)
    undo(advanced.dataset)
    back = events(advanced)
    assert [(one.key, one.was) for one in back[:4]] == [
        (KEY, "beth/moved"),
        ("beth/moved", ""),
        ("beth/moved", ""),
        ("beth/moved", KEY),
    ]
    redo(advanced.dataset)
    assert [(one.key, one.was) for one in events(advanced, "beth/moved")[:1]] == [("beth/moved", KEY)]


def test_a_rename_by_hand_is_followed(advanced: Project) -> None:
    plain = len(events(advanced))
    root = advanced.dataset.root
    for extension in ("png", "txt"):
        (root / f"wip/{KEY}.{extension}").rename(root / f"wip/aria/mine.{extension}")
    commit_edits(advanced)
    found = events(advanced, "aria/mine")
    assert (found[0].was, len(found)) == (KEY, plain + 1)


def test_renames_that_plain_git_committed_are_known_by_content(advanced: Project, git) -> None:
    root = advanced.dataset.root
    plain = len(events(advanced))
    git(root, "switch", "-qc", "side")
    git(root, "mv", f"wip/{KEY}.png", "wip/aria/git.png")
    git(root, "mv", f"wip/{KEY}.txt", "wip/aria/git.txt")
    git(root, "commit", "-qm", "a better name")
    found = events(open_project(root), "aria/git")
    assert (found[0].operation.op, found[0].was, len(found)) == ("", KEY, plain + 1)
    git(root, "switch", "-q", "main")
    (root / "wip/aria/danbooru_2.txt").write_text("other")
    commit_edits(advanced)
    git(root, "merge", "-q", "--no-edit", "side")
    merged = events(open_project(root), "aria/git")
    assert (merged[0].operation.subject, merged[0].was) == ("Merge branch 'side'", KEY)
    assert len(merged) == plain + 1


def test_an_amended_commit_is_one_operation(advanced: Project, git) -> None:
    root = advanced.dataset.root
    (root / f"wip/{KEY}.txt").write_text("smile")
    git(root, "commit", "-qam", "by git")
    (root / f"wip/{KEY}.txt").write_text("frown")
    git(root, "commit", "-qa", "--amend", "-m", "Sørens Geschichte\n\nDsk-Args: [not json")
    found = events(open_project(root))
    assert (found[0].operation.op, found[0].operation.args, len(found)) == ("", {}, 7)
    assert found[0].stages[0].caption is not None
    assert found[0].stages[0].caption.tags_added == ("frown",)


def test_an_item_that_is_no_more_is_found_however_it_is_named(advanced: Project) -> None:
    dataset = advanced.dataset
    drop(advanced, [KEY], reason="blurry", stage="wip")
    for path in dataset.root.glob("*/aria/danbooru_*"):
        path.unlink()
    commit_edits(advanced)
    for word in (KEY, f"wip/{KEY}.png", f"raw/{KEY}.json"):
        assert resolve_one_ever(dataset, word).key == KEY
    assert resolve_one_ever(dataset, "danbooru_2").key == "aria/danbooru_2"
    assert resolve_one_ever(dataset, "danbooru_1").key == "beth/danbooru_1", "what is there comes first"
    assert [one.key for one in resolve_ever(dataset, "aria/*")] == [f"aria/danbooru_{i}" for i in range(3)]
    assert was_ever(dataset, KEY)
    assert not was_ever(dataset, "aria/nobody")
    assert gone_keys(dataset, ("raw",)) == {f"aria/danbooru_{i}" for i in range(3)}
    for word in ("aria/nobody", "nobody", "nobody/*"):
        with pytest.raises(UsageError, match="no item"):
            resolve_ever(dataset, word)
    with pytest.raises(UsageError, match="names 3 items"):
        resolve_one_ever(dataset, "aria/*")
    newest = events(advanced)[:2]
    assert "wip: image removed" not in told(newest[0])
    assert newest[1].operation.args["reason"] == "blurry"


def test_last_seen_says_where_each_stage_had_what_is_missing(advanced: Project) -> None:
    dataset = advanced.dataset
    before = dataset.head
    drop(advanced, [KEY], reason="blurry", stage="wip")
    middle = dataset.head
    rename(advanced, ["aria/danbooru_2"], "aria/moved")
    (dataset.root / f"raw/{KEY}.png").unlink()
    commit_edits(advanced)
    found = last_seen(dataset, "aria/*", STAGES_OF_ITEMS)
    assert set(found) == {KEY}
    assert set(found[KEY]) == {"raw", "wip"}
    assert found[KEY]["wip"] == before
    assert found[KEY]["raw"] not in {before, middle}
    assert last_seen(dataset, "aria/*", ("cleaned",)) == {}
    assert last_seen(dataset, "beth/*", STAGES_OF_ITEMS) == {}


def test_the_finder_sees_what_a_plain_look_sees(advanced: Project) -> None:
    dataset = advanced.dataset
    for name in ("x", "x.y", "x-1", "danbooru_1.b"):
        (dataset.root / f"wip/aria/{name}.txt").write_text("a")
        (dataset.root / f"wip/{name}.txt").write_text("b")
    commit_edits(advanced)
    finder = ItemFinder(dataset)
    keys = known_keys(dataset, dataset.head_tree) | {"aria/x", "x", "x.y", "aria/danbooru_1.b", "aria/nobody"}
    for key in keys:
        state = finder.state(dataset.head_tree, key)
        for stage in STAGES_OF_ITEMS:
            plain = item_files(dataset, dataset.head_tree, stage, key)
            rows = dict(plain.images)
            rows |= {f"{key}.txt": plain.caption} if plain.caption else {}
            rows |= {f"{key}.json": plain.record} if plain.record else {}
            assert (state[stage].files(key) if stage in state else {}) == rows


def test_a_thousand_operations_are_walked_in_no_time(advanced: Project) -> None:
    dataset = advanced.dataset
    objects, commit, tree = dataset.objects, dataset.head, dataset.head_tree
    assert commit is not None
    for number in range(1000):
        tree = edit_tree(objects, tree, [("wip/aria/danbooru_2.txt", objects.blob(b"tag_%d" % number))])
        text = message(f"test: {number}", {"Op": "test"})
        commit = objects.put("commit", encode_commit(dataset, tree or b"", [commit], text))
    objects.flush()
    dataset.repo.lookup_reference(dataset.branch_ref).set_target(pygit2.Oid(raw=commit))
    began = time.perf_counter()
    assert len(events(advanced, "beth/danbooru_0")) == 6
    assert time.perf_counter() - began < 2
    assert len(events(advanced, "aria/danbooru_2")) == 1006


def test_the_command(advanced: Project, dsk) -> None:
    root = advanced.dataset.root
    (root / f"raw/{KEY}.png").unlink()
    advance(open_project(root), "filtered")
    done = dsk(root, "log", "danbooru_1", "-n", "2")
    assert done.returncode == 2
    assert "could be" in done.stderr
    lines = dsk(root, "log", f"filtered/{KEY}.png", "-n", "2").stdout.splitlines()
    assert lines[0] == KEY
    assert lines[1].endswith("filtered: 1 gone")
    assert lines[2:5:2] == ["  filtered: image removed", "  raw: image removed"]
    found = json.loads(dsk(root, "log", KEY, "--json", "-n", "0").stdout)
    assert [one["operation"]["op"] for one in found][:3] == ["filtered", "edit", "wip"]
    assert dsk(root, "log", "-n", "1").stdout.splitlines()[1].endswith("filtered: 1 gone")
