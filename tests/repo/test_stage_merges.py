"""What people do in a stage's folder rides on top of every rebuild."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.advancing import advance, run_stage
from datakit.actions.deciding import drop, keep
from datakit.actions.exporting.writing import export_format
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.errors import StateError
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history
from datakit.repo.stagetree import read_lock, stage_tree


def settings(project: Project, text: str) -> Project:
    """The dataset with other settings."""
    (project.dataset.root / "dsk.toml").write_text(text)
    return open_project(project.dataset.root)


def subjects(project: Project) -> list[str]:
    return [operation.subject for operation in history(project.dataset)]


def test_a_caption_written_in_wip_survives_and_gets_the_new_tags(advanced: Project) -> None:
    caption = advanced.dataset.root / "wip/aria/danbooru_0.txt"
    caption.write_text("1girl, red hat, blue hair, aria, me")
    again = settings(advanced, '[cleaned]\ntrigger = "aria_v1"\nblacklist = ["me"]\n')
    advance(again)
    words = caption.read_text().split(", ")
    assert {"red hat", "aria_v1", "blue hair"} <= set(words)
    assert "^_^" not in words, "removed by hand"
    assert "me" not in words, "removed by the blacklist"
    assert "wip: 1 caption edited" in " ".join(subjects(again))


def test_an_image_deleted_from_filtered_stays_deleted(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "filtered/aria/danbooru_1.png").unlink()
    again = settings(advanced, "[filtered.too-small]\nmin_side_px = 100\n")
    advance(again)
    assert not (root / "filtered/aria/danbooru_1.png").exists()
    assert not (root / "wip/aria/danbooru_1.png").exists()
    assert (root / "raw/aria/danbooru_1.png").exists()


def test_an_image_put_back_into_filtered_stays(project: Project) -> None:
    root = project.dataset.root
    strict = settings(project, "[filtered.too-small]\nmin_side_px = 1000\n")
    with pytest.raises(StateError):
        advance(strict)  # everything is dropped, so there is nothing to edit
    assert not list(root.glob("filtered/*/*.png"))
    (root / "filtered/aria").mkdir(parents=True)
    (root / "filtered/aria/danbooru_0.png").write_bytes((root / "raw/aria/danbooru_0.png").read_bytes())
    again = settings(project, "[filtered.too-small]\nmin_side_px = 999\n")
    advance(again)
    assert [path.name for path in root.glob("wip/*/*.png")] == ["danbooru_0.png"]


def test_an_image_edited_by_hand_stays_and_is_a_conflict_when_its_source_changes(advanced: Project) -> None:
    root = advanced.dataset.root
    edited = root / "edited/aria/danbooru_0.png"
    edited.unlink()
    Image.new("RGB", (300, 300), "red").save(edited)
    mine = edited.read_bytes()
    raw = root / "raw/aria/danbooru_0.png"
    raw.unlink()
    Image.new("RGBA", (300, 300), (0, 0, 255, 128)).save(raw)
    with pytest.raises(StateError, match="changed by hand and by its source"):
        advance(open_project(root))
    assert edited.read_bytes() == mine
    lock = read_lock(advanced.dataset, open_project(root).dataset.head_tree, "edited")
    assert lock is not None
    assert list(lock.conflicts) == ["aria/danbooru_0.png"]


def test_a_transition_has_the_machine_line_as_second_parent(advanced: Project) -> None:
    dataset = advanced.dataset
    (dataset.root / "wip/beth/danbooru_0.txt").write_text("mine")
    advance(settings(advanced, '[cleaned]\ntrigger = "t"\n'))
    operation = next(one for one in history(dataset) if one.stage == "wip")
    parents = dataset.commit(bytes.fromhex(operation.commit)).parent_ids
    assert len(parents) == 2
    machine = dataset.commit(bytes(parents[1].raw))
    lock = read_lock(dataset, dataset.head_tree, "wip")
    assert lock is not None
    assert str(machine.tree["wip"].id) == lock.auto
    ours = stage_tree(dataset, dataset.head_tree, "wip")
    assert ours is not None
    assert ours.hex() != lock.auto, "the hand edit is not the machine's"


def test_running_again_does_nothing_and_a_setting_reruns_only_what_follows(advanced: Project) -> None:
    before = subjects(advanced)
    assert advance(open_project(advanced.dataset.root)) == []
    assert subjects(advanced) == before
    done = advance(settings(advanced, '[cleaned]\ntrigger = "t"\n'))
    assert [one.stage for one in done] == ["cleaned", "wip", "export"]


def test_a_single_step_refuses_to_skip_a_stale_one(project: Project) -> None:
    with pytest.raises(StateError, match="filtered must run first"):
        run_stage(project, "captioned")


def test_undo_walks_back_step_by_step_to_the_beginning(advanced: Project) -> None:
    dataset = advanced.dataset
    (dataset.root / "wip/aria/danbooru_0.txt").write_text("mine")
    taken = [undo(dataset).subject for _ in range(8)]
    assert taken[0] == "wip: 1 caption edited"
    assert taken[1].startswith("export: kohya")
    assert taken[-1].startswith("import: 5 images")
    assert not list(dataset.root.glob("raw/*/*"))
    with pytest.raises(StateError, match="nothing to undo"):
        undo(dataset)
    assert read_status(open_project(dataset.root)).hand_edits == ()


def test_writing_through_a_shared_inode_changes_only_the_bench(advanced: Project) -> None:
    root = advanced.dataset.root
    raw, wip = root / "raw/aria/danbooru_0.png", root / "wip/aria/danbooru_0.png"
    original = raw.read_bytes()
    if raw.stat().st_ino != wip.stat().st_ino:
        pytest.skip("this file system does not share inodes between stages")
    Image.new("RGB", (300, 280), "teal").save(root.parent / "other.png")
    other = (root.parent / "other.png").read_bytes()
    wip.chmod(0o644)
    with wip.open("r+b") as file:
        file.truncate()
        file.write(other)
    assert raw.read_bytes() == other
    advance(open_project(root), "wip")
    export_format(open_project(root), "kohya")
    assert raw.read_bytes() == original
    assert wip.read_bytes() == other
    assert (root / "export/kohya/1_aria/danbooru_0.png").read_bytes() == other


def test_files_that_dsk_does_not_manage_are_left_alone(advanced: Project) -> None:
    root = advanced.dataset.root
    psd = root / "wip/aria/danbooru_0.psd"
    psd.write_bytes(b"layers")
    (root / "notes.md").write_text("mine")
    assert read_status(open_project(root)).unmanaged == ("wip/aria/danbooru_0.psd",)
    undo(advanced.dataset)
    assert psd.read_bytes() == b"layers"
    assert Path(root / "notes.md").exists()


STRICT, LOOSE = "[filtered.too-small]\nmin_side_px = 1000\n", "[filtered.too-small]\nmin_side_px = 100\n"


def test_a_person_who_took_out_what_a_rule_drops_for_a_while_has_the_last_word(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "filtered/aria/danbooru_1.png").unlink()
    advance(settings(advanced, STRICT), "wip")
    assert not list(root.glob("filtered/*/*.png"))
    advance(settings(advanced, LOOSE), "wip")
    assert len(list(root.glob("wip/*/*.png"))) == 4
    assert not (root / "filtered/aria/danbooru_1.png").exists()


def test_a_person_who_brought_in_what_a_rule_keeps_for_a_while_has_the_last_word(advanced: Project) -> None:
    root = advanced.dataset.root
    advance(settings(advanced, STRICT), "filtered")
    (root / "filtered/aria").mkdir(parents=True)
    (root / "filtered/aria/danbooru_1.png").write_bytes((root / "raw/aria/danbooru_1.png").read_bytes())
    advance(open_project(root), "wip")
    (root / "wip/aria/danbooru_1.txt").write_text("mine")
    advance(settings(advanced, LOOSE), "wip")
    assert len(list(root.glob("wip/*/*.png"))) == 5
    advance(settings(advanced, STRICT), "wip")
    assert [path.name for path in root.glob("wip/*/*.png")] == ["danbooru_1.png"]
    assert (root / "wip/aria/danbooru_1.txt").read_text() == "mine"
    (root / "filtered/aria/danbooru_1.png").unlink()
    advance(settings(advanced, LOOSE), "wip")
    assert not (root / "wip/aria/danbooru_1.png").exists(), "who decides last, decides"


def test_a_decision_holds_while_the_stages_before_come_and_go(advanced: Project) -> None:
    root = advanced.dataset.root
    for path in root.glob("wip/aria/danbooru_1.*"):
        path.unlink()
    advance(settings(advanced, STRICT), "wip")
    advance(settings(advanced, LOOSE), "wip")
    assert not list(root.glob("wip/aria/danbooru_1.*"))
    assert (root / "cleaned/aria/danbooru_1.png").exists()


def test_a_conflict_is_over_when_the_function_makes_the_same(advanced: Project) -> None:
    root = advanced.dataset.root
    mine = root / "edited/aria/danbooru_0.png"
    mine.unlink()
    Image.new("RGB", (300, 300), "red").save(mine)
    raw = root / "raw/aria/danbooru_0.png"
    raw.unlink()
    Image.new("RGB", (300, 300), "blue").save(raw)
    assert advance(open_project(root), "edited")[-1].conflicts == ("aria/danbooru_0.png",)
    raw.unlink()
    raw.write_bytes(mine.read_bytes())
    assert advance(open_project(root), "edited")[-1].conflicts == ()


def test_verdicts_on_stems_with_dots_stay(project: Project) -> None:
    root = project.dataset.root
    Image.new("RGB", (9, 9)).save(root / "raw/aria/a.b.png")
    Image.new("RGB", (300, 300)).save(root / "raw/aria/a.png")
    advance(open_project(root), "filtered")
    (root / "raw/aria/a.png").unlink()
    Image.new("RGB", (301, 300)).save(root / "raw/aria/a.png")
    advance(open_project(root), "filtered")
    lock = read_lock(project.dataset, open_project(root).dataset.head_tree, "filtered")
    assert lock is not None
    assert list(lock.dropped) == ["aria/a.b"]


def test_a_stage_whose_lock_was_deleted_pins_nothing(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "filtered/stage.json").unlink()
    advance(open_project(root), "filtered")
    advance(settings(advanced, STRICT), "filtered")
    assert not list(root.glob("filtered/*/*.png"))


def test_what_was_dropped_and_kept_again_still_goes_with_its_source(advanced: Project) -> None:
    root = advanced.dataset.root
    drop(open_project(root), ["wip/aria/danbooru_0.png"], reason="x")
    advance(open_project(root), "wip")
    keep(open_project(root), ["wip/aria/danbooru_0.png"])
    advance(open_project(root), "wip")
    drop(open_project(root), ["aria/danbooru_0"], reason="x")
    advance(open_project(root), "wip")
    assert not list(root.glob("wip/aria/danbooru_0.*"))
