"""`--check` says what differs and `--dry-run` what would be; neither commits or writes a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hands import again, all_files, head, paint, remove_item

from datakit.actions.exporting.checking import Checked, check_export
from datakit.actions.exporting.elsewhere import Target, export_elsewhere
from datakit.actions.exporting.previewing import Preview, preview_export
from datakit.actions.exporting.writing import export_format
from datakit.actions.project import Project
from datakit.errors import StateError, UsageError
from datakit.exports.settings import Flags

FORMAT = "kohya"


def check(project: Project, target: Target | None = None, flags: Flags | None = None) -> Checked:
    return check_export(again(project), FORMAT, target, flags=flags)


@pytest.fixture(params=["in the dataset", "elsewhere"])
def place(request: pytest.FixtureRequest, advanced: Project, tmp_path: Path) -> Target | None:
    """Where the export is that is checked."""
    if request.param == "in the dataset":
        return None
    target = Target(folder=tmp_path / "out")
    export_elsewhere(again(advanced), FORMAT, target)
    return target


def test_an_export_just_written_is_up_to_date(advanced: Project, place: Target | None) -> None:
    checked = check(advanced, place)
    assert checked.is_current
    assert list(checked.in_words()) == []


def test_what_differs_is_told_by_name_and_nothing_is_committed(advanced: Project, place: Target | None) -> None:
    root = advanced.dataset.root
    remove_item(advanced, "wip", key="beth/danbooru_1")
    (root / "wip/aria/danbooru_0.txt").write_text("1girl, red hat")
    (root / "wip/aria/danbooru_2.txt").write_text((root / "wip/aria/danbooru_2.txt").read_text() + "\n\n")
    paint(root / "wip/aria/danbooru_1.png", "navy")
    paint(root / "wip/aria/new.png", "red")
    (root / "wip/aria/new.txt").write_text("1girl")
    (root / "dsk.toml").write_text("[export]\nrepeats = 3\n")
    before, commit = all_files(root), head(advanced)
    checked = check(advanced, place)
    assert checked.reason == "wip changed"
    assert checked.captions == ("aria/danbooru_0",)
    assert checked.images == ("aria/danbooru_1",)
    assert checked.added == ("aria/new",)
    assert checked.removed == ("beth/danbooru_1",)
    assert checked.settings == ("repeats: 1, now 3",)
    assert "captions changed: 1 (aria/danbooru_0)" in list(checked.in_words())
    assert (all_files(root), head(advanced)) == (before, commit)


def test_files_changed_by_hand_are_named(advanced: Project, place: Target | None) -> None:
    folder = place.folder if place else advanced.dataset.root / "export/kohya"
    (folder / "1_aria/danbooru_0.txt").write_text("mine")
    (folder / "1_beth/danbooru_0.png").unlink()
    checked = check(advanced, place)
    assert checked.reason == "its files were changed by hand"
    assert checked.changed_files == ("1_aria/danbooru_0.txt",)
    assert checked.missing_files == ("1_beth/danbooru_0.png",)


def test_flags_are_those_it_was_written_with_unless_said(advanced: Project, tmp_path: Path) -> None:
    target = Target(folder=tmp_path / "out")
    export_elsewhere(again(advanced), FORMAT, target, flags=Flags(where="concept:aria"))
    assert check(advanced, target).is_current
    other = check(advanced, target, Flags(where="concept:beth"))
    assert other.reason == "it was written with other flags"
    assert other.added == ("beth/danbooru_0", "beth/danbooru_1")
    assert other.settings == ("--where: concept:aria, now concept:beth",)


def test_what_lies_there_says_its_format(advanced: Project, tmp_path: Path) -> None:
    target = Target(folder=tmp_path / "out")
    assert check_export(again(advanced), "", target).reason == "never run"
    export_elsewhere(again(advanced), "txt-pairs", target)
    assert check_export(again(advanced), "", target).format == "txt-pairs"
    with pytest.raises(StateError, match="of the format txt-pairs"):
        check(advanced, target)


def test_a_folder_of_somebody_else_is_not_checked(advanced: Project, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"mine\.txt"):
        check(advanced, Target(folder=tmp_path / "out"))


def preview(project: Project, target: Target | None = None, flags: Flags | None = None) -> Preview:
    return preview_export(again(project), FORMAT, target, flags=flags or Flags())


def test_a_preview_writes_nothing_and_tells_what_the_export_then_does(advanced: Project, tmp_path: Path) -> None:
    root, out = advanced.dataset.root, tmp_path / "out"
    paint(root / "wip/aria/danbooru_1.png", "navy")
    (root / "dsk.toml").write_text(
        '[export]\nbatch_size = 2\n[export.concepts.aria]\nrepeats = 4\nclass_tokens = "girl"'
    )
    before, commit = all_files(root), head(advanced)
    seen = preview(advanced, Target(folder=out))
    assert not out.exists()
    assert (all_files(root), head(advanced)) == (before, commit)
    rows = [(one.name, one.num_images, one.repeats, one.num_per_epoch, one.class_tokens) for one in seen.subsets]
    assert rows == [("aria", 3, 4, 12, "girl"), ("beth", 2, 1, 2, "")]
    assert (seen.num_images, seen.num_per_epoch, seen.batch_size, seen.steps_per_epoch) == (5, 14, 2, 7)
    assert sum(seen.buckets.values()) == 5
    assert seen.reason == "never run"
    done = export_elsewhere(again(advanced), FORMAT, Target(folder=out))
    assert done is not None
    assert (done.num_written, done.num_items) == (seen.num_files, seen.num_images)
    assert preview(advanced, Target(folder=out)).reason == ""


def test_a_preview_shows_balance_and_what_lint_refuses(advanced: Project) -> None:
    (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_bytes(b"")
    seen = preview(advanced, flags=Flags(balance="images=6"))
    assert [one.repeats for one in seen.subsets] == [2, 3]
    assert [one.path for one in seen.errors] == ["wip/aria/danbooru_0.txt"]
    with pytest.raises(StateError):
        export_format(again(advanced), FORMAT)


def test_held_back_images_are_in_no_epoch(advanced: Project) -> None:
    (advanced.dataset.root / "dsk.toml").write_text("[export]\nvalidation_split = 0.4\n")
    seen = preview(advanced)
    held = [one for one in seen.subsets if one.is_validation]
    assert held
    assert all(one.num_per_epoch == 0 for one in held)
    assert seen.num_per_epoch == seen.num_images - sum(one.num_images for one in held)
