"""What is chosen for an export, and what counts of the rest of the dataset: queries, stages, conflicts, families."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hands import again, commit_edits, paint
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.bakes.making import current_manifest, preflight_of_bake
from datakit.actions.bakes.results import read_result
from datakit.actions.exporting.checking import check_export
from datakit.actions.exporting.elsewhere import Target, export_elsewhere
from datakit.actions.exporting.manifests import config_digest, decode_manifest, export_staleness, read_manifest
from datakit.actions.exporting.material import _families, gather_material
from datakit.actions.exporting.previewing import preview_export
from datakit.actions.exporting.writing import export_all, export_format
from datakit.actions.project import Project, open_project
from datakit.errors import ConfigError, StateError, UsageError
from datakit.exports.expressing import left_out_in_words
from datakit.exports.model import EXPORTS, Manifest, encode_manifest
from datakit.exports.settings import Flags
from datakit.model.item import ImageRef
from datakit.model.record import Derived, Record
from datakit.model.stage import Subject

ARIA = Flags(where="concept:aria")


def manifest_of(project: Project, name: str = "kohya") -> Manifest:
    found = read_manifest(again(project).dataset, again(project).dataset.head_tree, name)
    assert found is not None
    return found


def exported(project: Project, flags: Flags | None = None, name: str = "kohya", *, force: bool = False) -> Manifest:
    export_format(again(project), name, flags=flags, force=force)
    return manifest_of(project, name)


def stale(project: Project) -> str:
    return export_staleness(again(project), again(project).dataset.head_tree, "kohya")


def test_settings_of_a_concept_that_the_query_leaves_out_are_no_mistake(advanced: Project) -> None:
    toml = advanced.dataset.root / "dsk.toml"
    toml.write_text("[export.concepts.beth]\nrepeats = 3\n")
    assert sorted(exported(advanced, ARIA).items) == [f"aria/danbooru_{number}" for number in range(3)]
    toml.write_text("[export.concepts.cora]\nrepeats = 3\n")
    with pytest.raises(ConfigError, match="no concept 'cora'"):
        exported(advanced, ARIA)


def test_errors_in_what_is_not_exported_refuse_nothing(advanced: Project) -> None:
    (advanced.dataset.root / "wip/beth/danbooru_0.txt").unlink()
    with pytest.raises(StateError, match=r"1 error in wip.*danbooru_0"):
        exported(advanced, Flags(where="concept:beth"))
    done = exported(advanced, ARIA)
    assert (len(done.items), done.ignored) == (3, ())
    assert preview_export(again(advanced), "kohya", flags=ARIA).errors == ()


def test_a_bake_is_of_the_items_that_were_asked_for_and_says_so(advanced: Project, tmp_path: Path) -> None:
    (advanced.dataset.root / "wip/beth/danbooru_0.txt").unlink()
    exported(advanced, ARIA)
    list(export_all(again(advanced)))  # as `dsk advance` does
    project = again(advanced)
    manifest = current_manifest(project)
    assert manifest.flags == ARIA
    assert preflight_of_bake(project, manifest, force=False) == ()
    folder = project.dataset.private / "bakes/2026-01-01-001"
    folder.mkdir(parents=True)
    numbers = {"images": 3, "steps": 1, "first_loss": 1.0, "final_loss": 0.5, "seconds": 1.0}
    (folder / "result.json").write_text(json.dumps({"lora": "x", "device": "cpu", "versions": {}, **numbers}))
    assert read_result(project, folder, encode_manifest(manifest)).export == ARIA
    (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_text("1girl, hat")
    commit_edits(advanced)
    with pytest.raises(StateError, match="out of date") as told:
        current_manifest(again(advanced))
    assert told.value.hint == "dsk export --format kohya --where concept:aria"


def test_queries_ask_for_the_images_of_the_stage_not_for_what_trainers_get(advanced: Project) -> None:
    path = advanced.dataset.root / "wip/aria/danbooru_0.png"
    path.unlink()
    Image.new("RGB", (260, 256), "teal").save(path.with_suffix(".webp"), lossless=True)
    commit_edits(advanced)
    toml = advanced.dataset.root / "dsk.toml"
    toml.write_text('[[export.weights]]\nwhere = "format:webp width:260"\nrepeats = 7\n')
    export = EXPORTS.load("kohya")
    narrow = msgspec.structs.replace(export, extensions=frozenset({"png", "jpg"}))
    project = again(advanced)
    for where, number in (("format:webp", 1), ("format:png", 4), ("width:260", 5), ("width:999", 0)):
        asked = project.export_asked("kohya", Flags(where=where))
        words = {"root": project.dataset.head_tree, "folder": "", "progress": lambda *_: None}
        if not number:
            with pytest.raises(StateError, match=r"nothing to export: .*not found by the query"):
                gather_material(project, narrow, asked, **words)
            continue
        found = gather_material(project, narrow, asked, **words)
        assert sum(len(subset.items) for subset in found.material.subsets) == number, where
        assert (7 in {subset.repeats for subset in found.material.subsets}) == (where != "format:png")


def test_only_conflicts_up_to_the_stage_that_is_exported_stand_in_the_way(advanced: Project) -> None:
    root = advanced.dataset.root
    for stage, colour in (("wip", "red"), ("cleaned", "blue")):
        paint(root / stage / "aria/danbooru_0.png", colour)
        commit_edits(advanced)
    advance(again(advanced), "wip")
    with pytest.raises(StateError, match="yours stands until you decide"):
        exported(advanced)
    assert len(exported(advanced, Flags(stage="cleaned")).items) == 5


def test_a_stage_that_is_none_or_empty_is_named(advanced: Project, empty: Project) -> None:
    with pytest.raises(UsageError, match="no stage 'claened' to export") as told:
        exported(advanced, Flags(stage="claened"))
    assert told.value.hint == "did you mean 'cleaned'?"
    with pytest.raises(UsageError, match="no stage 'export'"):
        exported(advanced, Flags(stage="export"))


def test_an_empty_stage_is_told_by_its_name(empty: Project) -> None:
    with pytest.raises(StateError, match="cleaned is empty: nothing is imported yet"):
        exported(empty, Flags(stage="cleaned"))


def test_raw_has_images_and_no_captions(advanced: Project) -> None:
    done = exported(advanced, Flags(stage="raw"))
    assert len(done.items) == 5
    assert not [name for name in done.files if name.endswith(".txt")]
    assert any("without caption" in warning for warning in done.warnings)
    assert stale(advanced) == ""


def subject(key: str, **record: object) -> Subject:
    known = Record(**{"sha256": "", "size_bytes": 0, "original": "", "imported_at": "", **record}) if record else None  # type: ignore[arg-type]
    return Subject(key=key, image=ImageRef("0" * 64, 1, "png"), caption=None, record=known, scraped_caption=None)


def cut_from(key: str) -> Derived:
    return Derived(item=key, sha256="", crop_px=(0, 0, 1, 1))


def test_what_was_cut_from_a_picture_stays_on_its_side() -> None:
    families = _families(
        [
            subject("a/post", site="danbooru", post_id="7"),
            subject("a/child", site="danbooru", post_id="8", parent_id="7"),
            subject("a/face", derived=cut_from("a/post")),
            subject("a/eye", derived=cut_from("a/face")),
            subject("a/of nothing", derived=cut_from("a/gone")),
            subject("a/of nothing too", derived=cut_from("a/gone")),
            subject("a/own", derived=cut_from("a/own")),
            subject("a/bare"),
        ]
    )
    assert len({families[f"a/{name}"] for name in ("post", "child", "face", "eye")}) == 1
    assert families["a/of nothing"] == families["a/of nothing too"]
    assert len(set(families.values())) == 4


def test_an_export_of_an_earlier_version_is_written_again_and_its_files_go(advanced: Project) -> None:
    exported(advanced)
    root = advanced.dataset.root
    path = root / "export/kohya/manifest.json"
    said = json.loads(path.read_bytes())
    for name in ("context", "flags", "left_out", "packs", "warnings"):
        said.pop(name, None)
    (root / "export/kohya/old_layout").mkdir()
    (root / "export/kohya/old_layout/x.txt").write_text("x")
    said["files"]["old_layout/x.txt"] = "0" * 64
    path.write_text(json.dumps(said))
    commit_edits(advanced)
    assert decode_manifest(path.read_bytes()) is not None
    assert stale(advanced) == "an earlier version of dsk wrote it"
    list(export_all(again(advanced)))
    assert stale(advanced) == ""
    assert not (root / "export/kohya/old_layout").exists()


@pytest.mark.parametrize("said", ["zz", "1234", "é" * 40, "0" * 40])
def test_a_manifest_may_name_any_tree(advanced: Project, tmp_path: Path, said: str) -> None:
    target = Target(folder=tmp_path / "out")
    export_elsewhere(again(advanced), "kohya", target)
    path = tmp_path / "out/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"input": said, "tree": said}))
    assert check_export(again(advanced), "kohya", target).reason == "wip changed"
    inside = advanced.dataset.root / "export/kohya/manifest.json"
    inside.write_text(json.dumps(json.loads(inside.read_bytes()) | {"input": said, "tree": said}))
    assert check_export(again(advanced), "kohya").reason == "wip changed"


@pytest.mark.parametrize("data", [b"[" * 200_000, b'{"settings":' + b'{"a":' * 200_000, b"\xff", b"null"])
def test_what_is_no_manifest_is_none(data: bytes) -> None:
    assert decode_manifest(data) is None


def test_a_manifest_of_another_format_is_none_of_this_one(advanced: Project) -> None:
    exported(advanced)
    path = advanced.dataset.root / "export/kohya/manifest.json"
    path.write_text(path.read_text().replace('"format": "kohya"', '"format": "nobody"'))
    commit_edits(advanced)
    assert stale(advanced) == "never run"


def test_a_starter_config_hangs_on_its_folder(advanced: Project) -> None:
    export = EXPORTS.load("onetrainer")
    asked = again(advanced).export_asked("onetrainer", Flags(config="sdxl-lora"))
    asked = msgspec.structs.replace(asked, own=msgspec.structs.replace(asked.own, paths="relative"))
    assert config_digest(export, asked, folder="/a") != config_digest(export, asked, folder="/b")
    plain = msgspec.structs.replace(asked, flags=Flags())
    assert config_digest(export, plain, folder="/a") == config_digest(export, plain, folder="/b")


def test_bake_tables_count_only_where_a_config_was_written(advanced: Project) -> None:
    toml = advanced.dataset.root / "dsk.toml"
    exported(advanced, Flags(config="sdxl-lora"))
    toml.write_text("[bake.train]\nsteps = 7\n")
    assert stale(advanced) == "[export], [export.kohya] or [bake] in dsk.toml changed"
    exported(advanced, Flags())
    toml.write_text("[bake.train]\nsteps = 8\n")
    assert stale(advanced) == ""


def test_a_preview_refuses_what_the_export_would_be_refused_for(advanced: Project) -> None:
    with pytest.raises(UsageError, match="packs images into files of its own"):
        preview_export(again(advanced), "webdataset")


def test_no_folder_of_another_dataset_and_an_archive_beside_this_one(advanced: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "raw").mkdir(parents=True)
    (other / "dsk.toml").write_text("")
    with pytest.raises(UsageError, match=r"lies inside the dataset .*other"):
        export_elsewhere(again(advanced), "kohya", Target(folder=other / "raw/new"))
    done = export_elsewhere(again(advanced), "kohya", Target(folder=advanced.dataset.root.parent, archive="zip"))
    assert done is not None
    assert Path(done.place) == advanced.dataset.root.parent / "kohya.zip"
    with pytest.raises(UsageError, match="lies inside the dataset"):
        export_elsewhere(again(advanced), "kohya", Target(folder=advanced.dataset.root, archive="zip"))


def test_a_pipe_is_no_archive_and_nobody_waits_for_it(advanced: Project, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.zip")
    with pytest.raises(UsageError, match="no archive of dsk export"):
        export_elsewhere(again(advanced), "kohya", Target(folder=tmp_path / "out.zip", archive="zip"))


def test_a_link_where_a_pack_belongs_stays(advanced: Project, tmp_path: Path) -> None:
    target = Target(folder=tmp_path / "out")
    done = export_elsewhere(again(advanced), "webdataset", target)
    assert done is not None
    pack = next((tmp_path / "out").rglob("*.tar"))
    pack.unlink()
    pack.symlink_to(tmp_path / "mine")
    for number in range(2):
        (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_text(f"1girl, {number}")
        export_elsewhere(again(advanced), "webdataset", target)
        assert pack.is_symlink()


def test_what_is_left_out_for_many_reasons_is_told_in_a_few_lines() -> None:
    assert list(left_out_in_words({})) == []
    assert list(left_out_in_words({"b": "ugly", "a": "ugly"})) == ["left out: a, b: ugly"]
    lines = list(left_out_in_words({f"{number:03d}": f"reason {number}" for number in range(100)}))
    assert lines[0] == "left out: 000: reason 0"
    assert lines[3:] == ["left out: 003, 004, 005 and 94 more: for other reasons, which the manifest lists"]


def test_only_the_formats_that_dsk_toml_names_are_imported(advanced: Project) -> None:
    asked = (
        "import sys; from pathlib import Path; from datakit.actions.project import open_project;"
        "open_project(Path(sys.argv[1])).check_settings();"
        "print(*sorted(m.rpartition('.')[2] for m in sys.modules if m.startswith('datakit.exports.formats.')))"
    )
    toml = advanced.dataset.root / "dsk.toml"
    for text, named in (("", ["kohya"]), ("[export.txt-pairs]\n", ["kohya", "txt_pairs"])):
        toml.write_text(text)
        command = [sys.executable, "-c", asked, str(advanced.dataset.root)]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == named
    for text in ("[export]\nformats = []\nrepeats = 0\n", "[export.naifu]\nrepeats = 0\n"):
        toml.write_text(text)
        with pytest.raises(ConfigError, match="repeats"):
            again(advanced).check_settings()


def test_a_weight_that_finds_nothing_is_told(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text('[[export.weights]]\nwhere = "tag:nobody_has_it"\nrepeats = 3\n')
    ran = export_format(open_project(root), "kohya", flags=Flags())
    assert ran is not None
    assert any("where = 'tag:nobody_has_it' finds no item" in note for note in ran.notes)


def test_what_an_export_cures_is_no_error_before_it(advanced: Project) -> None:
    root = advanced.dataset.root
    wip = root / "wip/aria/danbooru_0.png"
    wip.unlink()
    Image.new("RGBA", (260, 256), (255, 0, 0, 40)).save(wip)
    ran = export_format(open_project(root), "kohya")
    assert ran is not None
    assert "1 image made upright, opaque RGB for the trainer" in ran.notes
    with Image.open(root / "export/kohya/1_aria/danbooru_0.png") as image:
        assert (image.mode, image.size) == ("RGB", (260, 256))
        assert image.getpixel((0, 0)) == (255, 215, 215)


def test_another_stage_is_not_linted_and_that_is_said(advanced: Project) -> None:
    ran = export_format(advanced, "kohya", flags=Flags(stage="cleaned"))
    assert ran is not None
    assert any(note.startswith("lint looked at nothing") for note in ran.notes)


def test_what_is_not_in_the_clone_goes_on_as_it_is_where_sizes_do_not_matter(advanced: Project) -> None:
    root = advanced.dataset.root
    for path in [*(root / ".git/lfs/objects").rglob("*")]:
        if path.is_file():
            path.unlink()
    (root / "wip/aria/danbooru_0.txt").write_text("1girl, by hand")
    ran = export_format(open_project(root), "kohya")
    assert ran is not None
    assert "5 images are not in this clone and go on as they are: dsk pull fetches them" in ran.notes
    assert (root / "export/kohya/1_aria/danbooru_0.txt").read_text() == "1girl, by hand"
    with pytest.raises(StateError, match="images that are not in this clone"):
        export_format(open_project(root), "simpletuner")
