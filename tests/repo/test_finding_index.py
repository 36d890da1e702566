"""The index of a real dataset: it follows operations, branches and hand edits, and is remade when it is damaged."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from hands import again, commit_edits, paint
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.deciding import drop
from datakit.actions.finding import find_items, open_to_look
from datakit.actions.importing import import_folder
from datakit.actions.project import Project
from datakit.actions.renaming import rename
from datakit.errors import StateError, UsageError
from datakit.repo.finding.looking import begin_look, table_path
from datakit.repo.finding.table import Place, Table, with_table
from datakit.repo.operations.undo import undo

QUERIES = ("", "blue_hair", "untagged", "name:*_1", "rating:s", "width>100", "new*", "has:caption", 'caption:"1girl, "')


def found(project: Project, query: str, stage: str = "wip") -> list[str]:
    return list(find_items(open_to_look(project.dataset.root), query, stage=stage).items)


def from_scratch(project: Project, query: str, stage: str = "wip") -> list[str]:
    """With nothing kept."""
    kept, away = project.dataset.private / "find", project.dataset.private / "away"
    kept.rename(away)
    try:
        return found(project, query, stage)
    finally:
        shutil.rmtree(kept, ignore_errors=True)
        away.rename(kept)


def kinds(project: Project, stage: str = "wip") -> set[str]:
    return {kind for kind in ("base", "changes") if table_path(project.dataset.private, stage, kind).exists()}


def caption(project: Project, key: str, stage: str = "wip") -> Path:
    return project.dataset.root / stage / f"{key}.txt"


def test_words_of_records_and_images(advanced: Project) -> None:
    assert len(found(advanced, "")) == 5
    assert found(advanced, "concept:beth") == ["beth/danbooru_0", "beth/danbooru_1"]
    assert found(advanced, "character:aria -name:*_0") == ["aria/danbooru_1", "aria/danbooru_2"]
    assert len(found(advanced, "rating:s site:danbooru meta:highres format:png width=260 height=256 ratio>1")) == 5
    post = json.loads((advanced.dataset.root / "raw/beth/danbooru_0.json").read_text())["post_id"]
    assert found(advanced, f"id:{post}") == ["beth/danbooru_0"]
    assert found(advanced, "score>0 | score<=0 | date>1990 | parent:*1") == []
    assert len(found(advanced, "imported>2020 has:record has:image in:raw -has:conflict")) == 5
    assert len(found(advanced, "blue_hair", "raw")) == 5
    assert len(found(advanced, "blue_hair", "edited")) == 5
    assert len(found(advanced, "untagged", "wip")) == 0


def test_the_last_stage_with_captions_is_looked_at(project: Project) -> None:
    looked = [find_items(again(project).dataset, "").stage]
    for stage in ("edited", "captioned", "wip"):
        advance(again(project), stage)
        looked.append(find_items(again(project).dataset, "").stage)
    assert looked == ["raw", "raw", "captioned", "wip"]
    with pytest.raises(UsageError, match="no stage 'wpi'") as caught:
        find_items(project.dataset, "", stage="wpi")
    assert caught.value.hint == "did you mean 'wip'?"


def test_hand_edits_count_as_they_stand(advanced: Project) -> None:
    assert found(advanced, "newtag") == []
    edited, removed = caption(advanced, "aria/danbooru_1"), caption(advanced, "aria/danbooru_2")
    text = edited.read_text()
    edited.write_text(f"{text}, newtag")
    removed.unlink()
    assert found(advanced, "newtag") == ["aria/danbooru_1"]
    assert found(advanced, "untagged") == ["aria/danbooru_2"]
    assert find_items(open_to_look(advanced.dataset.root), "").num_edited == 2
    edited.write_text(text)
    assert found(advanced, "newtag") == []
    commit_edits(advanced)
    assert found(advanced, "-has:caption") == ["aria/danbooru_2"]
    assert kinds(advanced) == {"base", "changes"}
    removed.write_text("back, newtag")
    assert found(advanced, "newtag") == ["aria/danbooru_2"]
    caption(advanced, "aria/nobody").write_text("newtag")
    assert found(advanced, "newtag") == ["aria/danbooru_2"], "a caption alone is no item before it is committed"


def test_an_edit_that_keeps_size_and_second_is_seen(advanced: Project) -> None:
    path = caption(advanced, "beth/danbooru_0")
    assert found(advanced, "blue_hair concept:beth") == ["beth/danbooru_0", "beth/danbooru_1"]
    path.write_text(path.read_text().replace("blue", "pink"))
    assert found(advanced, "blue_hair concept:beth") == ["beth/danbooru_1"]


def test_touched_files_are_read_and_found_unchanged(advanced: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datakit.repo.finding.handedits._MANY_PROVEN", 2)
    assert len(found(advanced, "blue_hair")) == 5
    path = table_path(advanced.dataset.private, "wip", "base")
    before = path.read_bytes()
    for number in range(3):
        os.utime(caption(advanced, f"aria/danbooru_{number}"), (1_700_000_000, 1_700_000_000))
    looked = find_items(open_to_look(advanced.dataset.root), "blue_hair")
    assert (len(looked.items), looked.num_edited) == (5, 0)
    assert path.read_bytes() != before, "their times are remembered"
    assert len(found(advanced, "blue_hair")) == 5


def test_random_operations_leave_an_index_that_equals_a_new_one(advanced: Project, scrape) -> None:
    draw = random.Random(11)
    root = advanced.dataset.root
    for number in range(14):
        keys = found(advanced, "")
        key = draw.choice(keys)
        match draw.randrange(7):
            case 0:
                caption(advanced, key).write_text(f"new{number}, blue hair")
            case 1:
                caption(advanced, key).unlink(missing_ok=True)
            case 2:
                drop(again(advanced), [key], reason="x", stage="wip")
            case 3:
                rename(again(advanced), [key], f"aria/moved{number}")
            case 4:
                import_folder(again(advanced), scrape(f"s{number}", cleo=1))
                advance(again(advanced), "wip")
            case 5:
                undo(again(advanced).dataset)
            case 6:
                paint(root / f"wip/aria/painted{number}.png", (number, 2, 3))
                caption(advanced, f"aria/painted{number}").write_text("new one")
                commit_edits(advanced)
        for query in QUERIES:
            assert found(advanced, query) == from_scratch(advanced, query), (number, query)
        if draw.random() < 0.6:
            commit_edits(advanced)


@pytest.mark.parametrize("kind", ["base", "changes"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign", "folder"])
def test_a_damaged_index_is_made_anew(advanced: Project, kind: str, damage: str) -> None:
    assert len(found(advanced, "")) == 5
    caption(advanced, "aria/danbooru_1").write_text("newtag")
    commit_edits(advanced)
    expected = {query: found(advanced, query) for query in QUERIES}
    path = table_path(advanced.dataset.private, "wip", kind)
    whole = path.read_bytes()
    middle = len(whole) * 3 // 4
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        flipped = whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 400]) + whole[middle + 400 :]
        path.write_bytes({"cut": whole[:middle], "flipped": flipped, "empty": b"", "foreign": b"x" * 999}[damage])
    for query in QUERIES:
        assert found(advanced, query) == expected[query]


def test_a_dataset_that_may_not_be_written_is_looked_at(advanced: Project) -> None:
    shutil.rmtree(advanced.dataset.private / "find", ignore_errors=True)
    (advanced.dataset.private / "find").write_text("in the way")
    assert len(found(advanced, "blue_hair")) == 5
    assert found(advanced, "blue_hair name:*_2") == ["aria/danbooru_2"]


def test_large_datasets_are_looked_at_early(advanced: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datakit.repo.finding.looking.FORK_AT_LEAST", 2)
    monkeypatch.setattr("datakit.repo.finding.looking._PER_TASK", 2)
    root = advanced.dataset.root
    assert begin_look(root, "") is None
    assert len(found(advanced, "")) == 5
    caption(advanced, "aria/danbooru_1").write_text("newtag")
    for start, stage in ((root, ""), (root / "wip/aria", "wip")):
        begun = begin_look(start, stage)
        assert begun is not None
        assert find_items(open_to_look(root), "newtag", stage="wip", begun=begun).items == ("aria/danbooru_1",)
    assert begin_look(root, "raw") is None
    assert begin_look(root.parent, "") is None
    begun = begin_look(root, "wip")
    assert find_items(open_to_look(root), "newtag", stage="captioned", begun=begun).items == ()


def test_near_duplicates(advanced: Project) -> None:
    root = advanced.dataset.root
    draw = random.Random(3)
    first, other = (Image.frombytes("L", (9, 9), draw.randbytes(81)).resize((400, 400)) for _ in range(2))
    pictures = (first.convert("RGB"), first.resize((300, 290)).convert("RGBA"), other)
    for number, picture in enumerate(pictures):
        (root / f"wip/aria/danbooru_{number}.png").unlink()
        picture.save(root / f"wip/aria/danbooru_{number}.png")
    commit_edits(advanced)
    assert found(advanced, "near-duplicate-of:aria/danbooru_0 concept:aria") == ["aria/danbooru_1"]
    assert found(advanced, "near-duplicate-of:wip/aria/danbooru_2.png concept:aria") == []
    assert "aria/danbooru_1" not in found(advanced, "-near-duplicate-of:aria/danbooru_0")
    with pytest.raises(UsageError, match="no item 'nobody'"):
        found(advanced, "near-duplicate-of:nobody")
    (root / "wip/aria/danbooru_0.png").unlink()
    (root / "wip/aria/danbooru_0.png").write_bytes(b"no image")
    commit_edits(advanced)
    with pytest.raises(StateError, match="cannot be looked at"):
        found(advanced, "near-duplicate-of:wip/aria/danbooru_0.png")


def test_tokens_are_counted_and_remembered(advanced: Project) -> None:
    caption(advanced, "aria/danbooru_1").write_text("cat, " * 60)
    assert found(advanced, "tokens>75") == ["aria/danbooru_1"]
    assert found(advanced, "tokens=120") == ["aria/danbooru_1"]
    assert len(found(advanced, "tokens:1..75 has:caption")) == 4


def test_sizes_of_images_that_people_changed(advanced: Project) -> None:
    paint(advanced.dataset.root / "wip/aria/danbooru_1.png")
    commit_edits(advanced)
    assert found(advanced, "width=300 height=300 mp=0.09 size<2kb") == ["aria/danbooru_1"]
    assert "aria/danbooru_1" not in found(advanced, "width=260")


def test_records_that_cannot_be_read_are_left_out(advanced: Project) -> None:
    path = advanced.dataset.root / "raw/aria/danbooru_1.json"
    path.write_text(json.dumps({"sha256": 3}))
    commit_edits(advanced)
    assert found(advanced, "-has:record") == ["aria/danbooru_1"]
    assert len(found(advanced, "has:record")) == 4


def test_captions_as_they_are_in_a_commit(advanced: Project) -> None:
    def count(table: Table) -> int:
        return table.num_rows + 100 * table.num_edited

    caption(advanced, "aria/danbooru_1").write_text("newtag")
    root = advanced.dataset.head_tree
    assert with_table(advanced.dataset, Place(root, "wip"), count) == 105
    assert with_table(advanced.dataset, Place(root, "wip", looks=False), count) == 5
    assert with_table(advanced.dataset, Place(None, "wip"), count) == 0
