"""dsk restore: whose name it is by now, and who stands beside whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hands import again, assert_clean, commit_edits, head, item_files, paint, remove_item
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.project import Project
from datakit.actions.renaming import rename
from datakit.actions.restoring import Restored, restore
from datakit.errors import UsageError
from datakit.repo.operations.undo import undo
from datakit.repo.past.itemlog import item_events

KEY = "aria/danbooru_1"


def files(project: Project, key: str = KEY) -> dict[str, bytes]:
    return item_files(project, key)


def remove(project: Project, *stages: str, key: str = KEY) -> None:
    remove_item(project, *stages, key=key)


def renamed(content: dict[str, bytes], old: str, new: str) -> dict[str, bytes]:
    return {path.replace(old, new): data for path, data in content.items()}


def reuse(project: Project) -> dict[str, bytes]:
    """Delete the item everywhere, then give its name to another image; returns the files of the first."""
    first = files(project)
    remove(project)
    advance(again(project))
    paint(project.dataset.root / f"raw/{KEY}.png", (200, 100, 0))
    commit_edits(project)
    return first


def other_name(done: Restored) -> str:
    (item,) = done.items
    assert item.was == KEY
    assert item.key.startswith(f"{KEY}-")
    assert len(item.key) == len(KEY) + 7
    return item.key


@pytest.mark.parametrize("revision", ["", "first"])
def test_a_name_that_another_item_has_by_now_is_not_taken_from_it(advanced: Project, git, revision: str) -> None:
    commit = head(advanced)
    first = reuse(advanced)
    advance(again(advanced), "wip")
    second = files(advanced)
    done = restore(again(advanced), [KEY], revision=commit if revision else "")
    name = other_name(done)
    sha256 = json.loads(first[f"raw/{KEY}.json"])["sha256"]
    assert name == f"{KEY}-{sha256[:6]}"
    assert files(advanced) == second
    assert files(advanced, name) == renamed(first, KEY, name)
    assert_clean(advanced.dataset.root, git)
    advance(again(advanced), "wip")
    assert files(advanced) == second
    assert files(advanced, name) == renamed(first, KEY, name)
    told = [event.operation.op for event in item_events(again(advanced).dataset, name)]
    assert told[-1] == "import"
    assert_clean(advanced.dataset.root, git)


def test_restored_twice_beside_another_it_is_there_once(advanced: Project) -> None:
    commit = head(advanced)
    reuse(advanced)
    name = other_name(restore(again(advanced), [KEY], revision=commit))
    held = files(advanced, name)
    done = restore(again(advanced), [KEY], revision=commit)
    assert done.commit == ""
    assert files(advanced, name) == held
    assert len(list((advanced.dataset.root / "raw/aria").glob("danbooru_1*.png"))) == 2


def test_a_name_in_other_letters_counts_as_taken(advanced: Project, git) -> None:
    first = files(advanced)
    remove(advanced)
    paint(advanced.dataset.root / "raw/aria/Danbooru_1.png", (200, 100, 0))
    name = other_name(restore(again(advanced), [KEY]))
    assert files(advanced, name) == renamed(first, KEY, name)
    assert (advanced.dataset.root / "raw/aria/Danbooru_1.png").exists()
    assert_clean(advanced.dataset.root, git)


def test_an_undone_removal_is_no_gap(advanced: Project) -> None:
    commit, before = head(advanced), files(advanced)
    remove(advanced)
    undo(again(advanced).dataset)
    paint(advanced.dataset.root / f"raw/{KEY}.png")
    done = restore(again(advanced), [KEY], revision=commit)
    assert (done.items[0].key, done.items[0].was) == (KEY, "")
    assert files(advanced) == before


def test_a_renamed_item_gets_its_old_content_under_its_new_name(advanced: Project, git) -> None:
    commit, before = head(advanced), files(advanced)
    rename(again(advanced), [KEY], "aria/smile")
    (advanced.dataset.root / "wip/aria/smile.txt").write_text("changed")
    for word in ("aria/smile", KEY):
        restore(again(advanced), [word], revision=commit)
        assert files(advanced, "aria/smile") == renamed(before, KEY, "aria/smile")
        assert files(advanced) == {}
        undo(again(advanced).dataset)
    with pytest.raises(UsageError, match="aria/smile"):
        restore(again(advanced), [KEY])
    assert_clean(advanced.dataset.root, git)


def test_a_renamed_item_that_was_removed_comes_back_under_its_last_name(advanced: Project) -> None:
    before = files(advanced)
    rename(again(advanced), [KEY], "aria/smile")
    remove(advanced, key="aria/smile")
    restore(again(advanced), ["smile"])
    assert files(advanced, "aria/smile") == renamed(before, KEY, "aria/smile")


def test_what_was_imported_anew_since_is_the_same_item(advanced: Project, scrape, tmp_path: Path) -> None:
    commit, before = head(advanced), files(advanced)
    remove(advanced)
    advance(again(advanced))
    import_folder(again(advanced), tmp_path / "scrape")
    done = restore(again(advanced), [KEY], revision=commit)
    assert (done.items[0].key, done.items[0].was) == (KEY, "")
    assert files(advanced) == before


def test_another_branch_has_the_same_item_or_another_one(advanced: Project, git) -> None:
    root = advanced.dataset.root
    git(root, "switch", "-qc", "side")
    paint(root / f"raw/{KEY}.png", (1, 2, 3))
    (root / f"wip/{KEY}.txt").write_text("side")
    commit_edits(advanced)
    side = files(advanced)
    git(root, "switch", "-q", "main")
    Image.new("RGB", (300, 300), (7, 7, 7)).save(root / "raw/aria/new.png")
    commit_edits(advanced)
    git(root, "switch", "-q", "side")
    Image.new("RGB", (300, 300), (8, 8, 8)).save(root / "raw/aria/new.png")
    commit_edits(advanced)
    git(root, "switch", "-q", "main")
    restore(again(advanced), [KEY], revision="side")
    assert files(advanced) == side
    mine = files(advanced, "aria/new")
    done = restore(again(advanced), ["aria/new"], revision="side")
    assert done.items[0].was == "aria/new"
    assert files(advanced, "aria/new") == mine
    assert_clean(advanced.dataset.root, git)
