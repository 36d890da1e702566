"""dsk log ITEM: what every operation did to one item, under all its names, whether it is still there or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hands import again, commit_edits
from PIL import Image

from datakit.actions.deciding import drop
from datakit.actions.project import Project
from datakit.actions.renaming import rename
from datakit.actions.restoring import restore
from datakit.errors import UsageError
from datakit.model.order import COMPUTED
from datakit.repo.dataset import Dataset
from datakit.repo.operations.transaction import transaction
from datakit.repo.operations.undo import redo, undo
from datakit.repo.past.itemlog import ItemEvent, item_events
from datakit.repo.past.pastitems import resolve_ever, resolve_one_ever

KEY = "aria/danbooru_1"
STAGES = ("raw", *COMPUTED)


def log(project: Project, word: str = KEY) -> list[ItemEvent]:
    dataset = again(project).dataset
    return list(item_events(dataset, resolve_one_ever(dataset, word).key))


def ops(events: list[ItemEvent]) -> list[str]:
    return [event.operation.op or event.operation.subject for event in events]


def marks(event: ItemEvent) -> dict[str, tuple[str, str, str]]:
    """Stage → marks of image, caption and record."""
    return {
        one.stage: (one.image or "", one.caption.mark if one.caption else "", one.record or "") for one in event.stages
    }


def test_every_operation_that_touched_the_item_is_told(advanced: Project, git) -> None:
    root = advanced.dataset.root
    (root / f"wip/{KEY}.txt").write_text("aria, me, 1girl, smile")
    commit_edits(advanced)
    (root / "wip/aria/danbooru_0.txt").write_text("another item")
    commit_edits(advanced)
    record = json.loads((root / f"raw/{KEY}.json").read_text())
    (root / f"raw/{KEY}.json").write_text(json.dumps({**record, "score": 3}))
    (root / f"edited/{KEY}.png").unlink()
    Image.new("RGB", (300, 300)).save(root / f"edited/{KEY}.png")
    git(root, "commit", "-qam", "by git")
    events = log(advanced)
    assert ops(events) == ["by git", "edit", "wip", "cleaned", "captioned", "edited", "filtered", "import"]
    assert marks(events[0]) == {"raw": ("", "", "changed"), "edited": ("changed", "", "")}
    assert marks(events[1]) == {"wip": ("", "changed", "")}
    (change,) = events[1].stages
    assert change.caption is not None
    assert set(change.caption.tags_added) == {"smile"}
    assert {"blue hair", "^_^"} <= set(change.caption.tags_removed)
    assert marks(events[2]) == {"wip": ("added", "added", "")}
    assert marks(events[-1]) == {"raw": ("added", "", "added")}


def test_the_names_that_it_had_before_are_followed(advanced: Project, git) -> None:
    root = advanced.dataset.root
    rename(again(advanced), [KEY], "aria/second")
    for stage in STAGES:
        for path in (root / stage / "aria").glob("second.*"):
            path.rename(path.with_stem("third"))
    commit_edits(advanced)
    for path in [path for stage in STAGES for path in (root / stage / "aria").glob("third.*")]:
        git(root, "mv", str(path), str(path.with_stem("fourth")))
    git(root, "commit", "-qm", "by git")
    events = log(advanced, "fourth")
    assert ops(events)[:3] == ["by git", "edit", "mv"]
    assert [(event.was, event.key) for event in events[:3]] == [
        ("aria/third", "aria/fourth"),
        ("aria/second", "aria/third"),
        (KEY, "aria/second"),
    ]
    assert all(not event.stages for event in events[:3])
    assert ops(events)[-1] == "import"
    old = log(advanced)
    assert (ops(old)[0], old[0].renamed_to) == ("mv", "aria/second")
    assert ops(old)[1:] == ops(events)[3:]


def test_an_undone_rename_leads_back(advanced: Project) -> None:
    rename(again(advanced), [KEY], "aria/second")
    undo(again(advanced).dataset)
    events = log(advanced)
    assert ops(events)[:2] == ["undo", "mv"]
    assert (events[0].was, events[0].key) == ("aria/second", KEY)
    assert (events[1].was, events[1].key) == (KEY, "aria/second")
    assert ops(events)[-1] == "import"
    redo(again(advanced).dataset)
    events = log(advanced, "aria/second")
    assert ops(events)[:3] == ["redo", "undo", "mv"]
    assert ops(events)[-1] == "import"


def test_an_item_that_is_gone_has_its_history(advanced: Project) -> None:
    for path in [path for stage in STAGES for path in (advanced.dataset.root / stage).glob(f"{KEY}.*")]:
        path.unlink()
    commit_edits(advanced)
    for word in (KEY, f"{KEY}.png", f"wip/{KEY}.txt"):
        events = log(advanced, word)
        assert ops(events)[0] == "edit"
        assert set(marks(events[0])) == set(STAGES)
        assert {one[0] for one in marks(events[0]).values()} == {"removed"}
    with pytest.raises(UsageError, match="no item 'aria/never'"):
        log(advanced, "aria/never")


def test_a_stem_and_a_pattern_name_what_is_gone(advanced: Project) -> None:
    root = advanced.dataset.root
    rename(again(advanced), [KEY], "aria/smile")
    for path in [path for stage in STAGES for path in (root / stage).glob("aria/smile.*")]:
        path.unlink()
    commit_edits(advanced)
    dataset = again(advanced).dataset
    assert [one.key for one in resolve_ever(dataset, "smile")] == ["aria/smile"]
    assert [one.key for one in resolve_ever(dataset, "aria/s*")] == ["aria/smile"]
    assert {one.key for one in resolve_ever(dataset, "aria/*")} == {
        "aria/danbooru_0",
        "aria/danbooru_2",
        "aria/smile",
        KEY,
    }


def test_a_drop_an_undo_and_a_restore_are_told(advanced: Project) -> None:
    drop(again(advanced), [KEY], reason="blurry")
    undo(again(advanced).dataset)
    drop(again(advanced), [KEY], reason="blurry", stage="wip")
    restore(again(advanced), [KEY])
    events = log(advanced)
    assert ops(events)[:4] == ["restore", "drop", "undo", "drop"]
    assert marks(events[0]) == {"wip": ("added", "added", "")}
    assert marks(events[2]) == {"filtered": ("added", "", "")}
    assert marks(events[3]) == {"filtered": ("removed", "", "")}


def test_a_merge_by_git_counts_once(advanced: Project, git) -> None:
    root = advanced.dataset.root
    caption = root / f"wip/{KEY}.txt"
    git(root, "switch", "-qc", "side")
    for text in ("one", "two"):
        caption.write_text(text)
        commit_edits(advanced)
    git(root, "switch", "-q", "main")
    (root / "wip/aria/danbooru_0.txt").write_text("elsewhere")
    commit_edits(advanced)
    git(root, "merge", "-q", "--no-edit", "side")
    events = log(advanced)
    assert ops(events)[:2] == ["Merge branch 'side'", "wip"]
    assert marks(events[0]) == {"wip": ("", "changed", "")}


def test_a_long_history_of_others_costs_little(empty: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset: Dataset = empty.dataset
    with transaction(dataset, "test") as txn:
        for number in range(3000):
            txn.put(f"wip/aria/{number}.txt", b"%d" % number)
        txn.commit("test: many")
    for number in range(60):
        with transaction(dataset, "test") as txn:
            txn.put(f"wip/beth/{number}.txt", b"x")
            txn.commit("test: another")
    read: list[bytes] = []
    real = dataset.objects.read
    monkeypatch.setattr(dataset.objects, "read", lambda oid: read.append(oid) or real(oid))
    events = list(item_events(dataset, "aria/7"))
    assert len(read) < 3 * 60 + 20  # each root and stage once; no folder but the item's own
    assert sum(len(real(oid)) for oid in read) < 300_000
    assert [event.operation.subject for event in events] == ["test: many"]


def test_the_command(advanced: Project, dsk) -> None:
    root = advanced.dataset.root
    (root / f"wip/{KEY}.txt").write_text("aria, me, 1girl, smile")
    commit_edits(advanced)
    rename(again(advanced), [KEY], "aria/smile")
    done = dsk(root, "log", "aria/smile", "-n", "2")
    assert done.returncode == 0, done.stderr
    assert f"renamed from {KEY}" in done.stdout
    assert "wip: caption changed: +smile, -blue hair, -^_^" in done.stdout
    assert "import" not in done.stdout
    rows = json.loads(dsk(root, "log", "aria/smile", "--json", "-n", "0").stdout)
    assert [rows[0]["was"], rows[-1]["operation"]["op"]] == [KEY, "import"]
    assert dsk(root, "log", "-n", "1").stdout.splitlines()[1].endswith("mv: aria/danbooru_1 to aria/smile")
    assert Path(root / "wip/aria/smile.txt").exists()
