"""Exports are what wip is, say when they are not, and hold what sd-scripts reads; settings name their mistakes."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.advancing import advance
from datakit.actions.exporting.writing import export_format
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.errors import ConfigError, StateError
from datakit.repo.operations.undo import undo

# Keys and types of library/config_util.py of sd-scripts, by level.
GENERAL = {
    "caption_extension": str, "shuffle_caption": bool, "keep_tokens": int, "caption_dropout_rate": float,
    "flip_aug": bool, "num_repeats": int,
}  # fmt: skip
DATASET = {
    "resolution": list, "batch_size": int, "enable_bucket": bool, "bucket_no_upscale": bool, "bucket_reso_steps": int,
    "min_bucket_reso": int, "max_bucket_reso": int, "subsets": list,
}  # fmt: skip
SUBSET = {"image_dir": str, "num_repeats": int, "class_tokens": str}


def with_settings(project: Project, text: str) -> Project:
    (project.dataset.root / "dsk.toml").write_text(text)
    return open_project(project.dataset.root)


def check(table: dict[str, object], allowed: dict[str, type]) -> None:
    for key, value in table.items():
        assert type(value) is allowed[key], key


def test_dataset_toml_is_what_sd_scripts_validates(advanced: Project) -> None:
    text = "[export.kohya]\nrepeats = 3\nresolution = [832, 1216]\ncaption_dropout_rate = 0.1\n"
    again = with_settings(advanced, text + '[export.kohya.concepts.aria]\nrepeats = 7\nclass_tokens = "girl"\n')
    advance(again)
    folder = again.dataset.root / "export/kohya"
    table = tomllib.loads((folder / "dataset.toml").read_text())
    assert set(table) == {"general", "datasets"}
    check(table["general"], GENERAL)
    assert table["general"]["caption_extension"] == ".txt"
    (dataset,) = table["datasets"]
    check(dataset, DATASET)
    assert dataset["resolution"] == [832, 1216]
    for subset in dataset["subsets"]:
        check(subset, SUBSET)
        assert (folder / subset["image_dir"]).is_dir()
    assert [one["image_dir"] for one in dataset["subsets"]] == ["7_aria", "3_beth"]


def test_every_image_has_one_line_of_utf_8_and_the_manifest_tells_the_truth(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_bytes("\ufeff1girl,\r\nred hat\r\n\r\nsmile".encode())
    advance(open_project(root))
    folder = root / "export/kohya"
    assert (folder / "1_aria/danbooru_0.txt").read_bytes() == b"1girl, red hat, smile"
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*.*") if path.name != "manifest.json"}
    assert set(manifest["files"]) == set(files)
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == manifest["files"][name]
    images = [path for path in files.values() if path.suffix == ".png"]
    assert len(images) == len(manifest["items"]) == 5
    for image in images:
        caption = image.with_suffix(".txt").read_bytes()
        assert caption.decode().strip()
        assert b"\n" not in caption
    assert manifest["commit"] in {str(one.id) for one in advanced.dataset.repo.walk(advanced.dataset.repo.head.target)}


def test_an_export_changed_by_hand_is_stale_and_written_again(advanced: Project) -> None:
    root = advanced.dataset.root
    caption = root / "export/kohya/1_aria/danbooru_0.txt"
    right = caption.read_bytes()
    caption.write_text("not what wip says")
    (root / "export/kohya/1_beth/danbooru_0.png").unlink()
    advance(open_project(root), "wip")
    stages = {one.stage: one for one in read_status(open_project(root)).stages}
    assert stages["export"].stale == "kohya: its files were changed by hand"
    assert export_format(open_project(root), "kohya") is not None
    assert caption.read_bytes() == right
    assert (root / "export/kohya/1_beth/danbooru_0.png").exists()


def test_exporting_twice_changes_nothing(advanced: Project) -> None:
    assert export_format(open_project(advanced.dataset.root), "kohya") is None


def test_an_item_without_caption_is_refused_by_name(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_1.txt").write_text(" \n")
    with pytest.raises(StateError, match=r"1 error in wip for sd-scripts: wip/aria/danbooru_1\.txt: "):
        export_format(open_project(root), "kohya")
    assert read_status(open_project(root)).hand_edits == ()


def test_absolute_paths_make_a_moved_dataset_stale(advanced: Project, tmp_path: Path) -> None:
    advance(with_settings(advanced, '[export.kohya]\nimage_dirs = "absolute"\n'))
    table = tomllib.loads((advanced.dataset.root / "export/kohya/dataset.toml").read_text())
    assert table["datasets"][0]["subsets"][0]["image_dir"] == f"{advanced.dataset.root}/export/kohya/1_aria"
    moved = tmp_path / "moved"
    advanced.dataset.root.rename(moved)
    stages = {one.stage: one for one in read_status(open_project(moved)).stages}
    assert stages["export"].stale.startswith("kohya: ")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[filterd]", "unknown key 'filterd'", "'filtered'"),
        ("[filtered.too-small]\nmin_sid_px = 3", "unknown key 'min_sid_px'", "'min_side_px'"),
        ("[filtered.too-small]\nmin_side_px = 'x'", "min_side_px", ""),
        ("filtered = 5", "'filtered' is a table", "[filtered]"),
        ("[export.khoya]", "unknown key 'khoya'", "'kohya'"),
        ("[export]\nkohya = 5", "'export.kohya' is a table", ""),
        ("[export.kohya]\nrepeat = 5", "unknown key 'repeat'", "'repeats'"),
        ("[export.kohya.concepts.aria]\nrepeat = 5", "unknown key 'repeat'", "'repeats'"),
        ("[export.kohya]\nresolution = 8", "resolution 8 is under 64 px", ""),
        ("[captioned]\npolicy = 'unoin'", "policy", ""),
        ("bake = 3", "'bake' is a table", ""),
        ("[filtered", "not valid TOML", ""),
    ],
)
def test_a_mistake_in_the_settings_is_named_with_its_cure(empty: Project, text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_settings(empty, text).check()
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_metadata_of_somebody_elses_making_stops_nobody(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "raw/aria/danbooru_0.json").write_text('{"id": 5}')
    done = advance(open_project(root), "wip")
    assert any("raw/aria/danbooru_0.json" in note for one in done for note in one.notes)


def test_undo_passes_over_an_empty_commit_of_plain_git(advanced: Project, git: Callable[..., str]) -> None:
    dataset = advanced.dataset
    git(dataset.root, "commit", "-q", "--allow-empty", "-m", "empty")
    assert undo(dataset).subject.startswith("export: kohya")
