"""The page shows what lies in the folder, loads nothing, and does without whatever is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from page_world import EVIL, assert_sound, facts, picture, write, write_bake, write_set

from datakit.actions.project import Project
from datakit.demo.page import gathering
from datakit.demo.page.__main__ import main
from datakit.demo.page.bakefiles import read_bakes, read_measured
from datakit.demo.page.comparing import transitions
from datakit.demo.page.document import MOST_BYTES, page
from datakit.demo.page.facts import Cause, Dataset, Scores
from datakit.demo.page.record import Recorder, read_record
from datakit.demo.page.stagefiles import read_posted, read_stages
from datakit.demo.page.writing import write_page
from datakit.errors import InputError

FINDING = {"code": "I003", "name": "truncated-image", "severity": "warning", "path": "raw/aria/0.png"}
MEASURED = {
    "bake": "2026-01-01-001",
    "kind": "character",
    "trigger": "aria_dsk",
    "traits": ["blue_hair"],
    "with": 0.92,
    "without": 0.06,
    "other_tags_before": 0.9,
    "other_tags_after": 0.85,
    "style_distance_before": 0.61,
    "style_distance_after": 0.22,
    "validation_before": 0.4821,
    "validation_after": 0.3127,
}


def read(root: Path, **others: Any) -> Dataset:
    """As it is gathered, without a question to dsk."""
    stages, posted = read_stages(root), read_posted(root)
    shown = gathering.choose(stages, posted)
    settings = (root / "dsk.toml").read_text("utf-8")
    return Dataset(root=root, settings=settings, stages=stages, posted=posted, shown=shown, **others)


def full(root: Path, *, tag: str = "blue_hair") -> Dataset:
    report = {
        "findings": [{**FINDING, "message": tag, "hint": tag}],
        "rules": [{"code": "I003", "summary": f"An image was cut short. {tag}"}],
        "counts": {"error": 0, "warning": 1, "info": 0},
    }
    return read(
        root,
        lint_before=report,
        lint_now={"findings": [], "rules": [], "counts": {}},
        tags={"stage": "wip", "num_tags": 2, "tags": [{"tag": tag, "count": 3, "category": "general"}]},
        taggers=(tag,),
        scores=(Scores("aria/0", {tag: 0.93}, {"smile": 0.8}),),
        causes=(Cause("aria/0", "cleaned", "no_nose", True, f"cleaned.blacklist {tag}"),),
        operations=({"commit": "ab" * 20, "time": 1_700_000_000, "subject": tag},),
    )


def test_a_full_page_is_sound_and_tells_everything(tmp_path: Path) -> None:
    root = tmp_path / "my-set"
    write_set(root)
    write_bake(root)
    write(tmp_path / "measured.json", json.dumps([MEASURED]))
    Recorder(tmp_path, {"scrape": 20}).add(root, ["dsk", "lint"], code=1, seconds=1.25)
    bakes = tuple(read_bakes(root, read_measured(tmp_path)))
    made = page(facts(tmp_path, full(root), bakes=bakes, record=read_record(tmp_path)))
    found = assert_sound(made)
    assert len(made.encode()) < MOST_BYTES
    for words in ("exact-duplicate", "the same bytes as", "cleaned.blacklist", "truncated-image", "dsk lint", "exit 1"):
        assert words in found.text
    for figure in (
        "92\u2009%",
        "6\u2009%",
        "85\u2009%",
        "0.61",
        "0.22",
        "0.482",
        "0.313",
        "1 min 02 s",
        "0.5000 → 0.1000",
    ):
        assert figure in found.text
    assert "7 → 0" not in found.text
    assert "1 → 0" in found.text
    assert "held out" in found.text


def test_stages_are_compared(tmp_path: Path) -> None:
    write_set(tmp_path / "s")
    by_name = {one.stage.name: one for one in transitions(read(tmp_path / "s"))}
    assert {name: len(one.stage.items) for name, one in by_name.items()} == {
        "raw": 4, "filtered": 3, "edited": 3, "captioned": 3, "cleaned": 3, "wip": 3, "export": 3,
    }  # fmt: skip
    assert [*by_name["filtered"].dropped] == ["mika/1"]
    assert [now.key for _, now in by_name["edited"].redrawn] == ["aria/1"]
    assert by_name["captioned"].totals() == {("removed", "lowres"): 3}
    assert by_name["cleaned"].totals() == {
        ("removed", "no_nose"): 3,
        ("added", "aria_dsk"): 2,
        ("added", "mika_dsk"): 1,
    }
    assert not by_name["wip"].totals() + by_name["export"].totals()
    assert all(not one.new and one.before for name, one in by_name.items() if name != "raw")


def test_an_export_is_read_by_its_manifest(tmp_path: Path) -> None:
    root = tmp_path / "s"
    write_set(root)
    kohya = root / "export" / "kohya"
    (kohya / "validation").mkdir()
    (kohya / "1_mika" / "0.png").rename(kohya / "validation" / "0.png")
    (kohya / "1_mika" / "0.txt").rename(kohya / "validation" / "0.txt")
    (kohya / "1_aria" / "1.png").unlink()
    manifest = {
        "items": {"aria/0": "1_aria/0.png", "mika/0": "validation/0.png"},
        "left_out": {"aria/1": "not found by the query concept:mika"},
    }
    write(kohya / "manifest.json", json.dumps(manifest))
    export = next(one for one in transitions(read(root)) if one.stage.name == "export")
    assert sorted(export.stage.items) == ["aria/0", "mika/0"]
    assert {key: why.reason for key, why in export.dropped.items()} == manifest["left_out"]
    assert not export.new


def test_hostile_words_stay_text(tmp_path: Path) -> None:
    root = tmp_path / "my-set"
    write_set(root, tag=EVIL.replace("/", ""))
    write(root / "wip" / "aria" / "0.txt", f"{EVIL}, \x00\x1b[31m, javascript:alert(1), </style><img src=http://x>")
    write_bake(root, note=EVIL)
    evil = {**MEASURED, "trigger": EVIL, "traits": [EVIL], "kind": EVIL, "grid": "../../../../etc/passwd"}
    write(tmp_path / "measured.json", json.dumps([evil]))
    Recorder(tmp_path, {EVIL: 1}).add(root, ["dsk", EVIL], code=3, seconds=1.0)
    bakes = tuple(read_bakes(root, read_measured(tmp_path)))
    made = page(facts(tmp_path, full(root, tag=EVIL), bakes=bakes, record=read_record(tmp_path)))
    found = assert_sound(made)
    assert found.text.count(EVIL) > 10
    assert "\x00" not in made
    assert "\x1b" not in made


def test_hostile_file_names_stay_text(tmp_path: Path) -> None:
    picture(tmp_path / "s" / "raw" / '"><b onload=x>' / "<i>.png", "#123456")
    write(tmp_path / "s" / "dsk.toml", "")
    found = assert_sound(page(facts(tmp_path, read(tmp_path / "s"))))
    assert '"><b onload=x>' in found.text


@pytest.mark.parametrize("gone", ["with", "without", "other_tags_before", "validation_after", "style_distance_before"])
def test_a_figure_that_is_missing_is_left_out(tmp_path: Path, gone: str) -> None:
    write_set(tmp_path / "s")
    write_bake(tmp_path / "s")
    row = {key: value for key, value in MEASURED.items() if key != gone}
    row["style_distance_after"] = float("nan")
    write(tmp_path / "measured.json", json.dumps([row, {"bake": 3}, "x", None]))
    bakes = tuple(read_bakes(tmp_path / "s", read_measured(tmp_path)))
    found = assert_sound(page(facts(tmp_path, read(tmp_path / "s"), bakes=bakes)))
    assert "nan" not in found.text.lower().replace("dominance", "")
    assert "None" not in found.text
    if gone == "style_distance_before":
        assert "Style distance" not in found.text


@pytest.mark.parametrize("words", ["", "{}", "[", '"x"', '[{"bake": "x"}]', "\xff"])
def test_damaged_files_are_passed_by(tmp_path: Path, words: str) -> None:
    root = tmp_path / "s"
    write_set(root)
    write_bake(root)
    for path in ("measured.json", "record.json", "lint-before.json"):
        write(tmp_path / path, words)
    write(root / "filtered" / "stage.json", words)
    write(root / "raw" / "aria" / "0.json", words)
    write(root / "bakes" / "2026-01-01-002.toml", words + "=")
    write(root / ".dsk" / "bakes" / "2026-01-01-001" / "loss.jsonl", words + "\n")
    write(root / "raw" / "aria" / "0.png", words)
    bakes = tuple(read_bakes(root, read_measured(tmp_path)))
    found = assert_sound(page(facts(tmp_path, read(root), bakes=bakes, record=read_record(tmp_path))))
    assert "no picture" in found.text


def test_a_dataset_that_is_only_begun(tmp_path: Path) -> None:
    write(tmp_path / "s" / "dsk.toml", "")
    found = assert_sound(page(facts(tmp_path, read(tmp_path / "s"))))
    assert "Nothing is here yet." in found.text
    assert "Bakes" not in found.text


def test_links_are_not_followed(tmp_path: Path) -> None:
    write_set(tmp_path / "s")
    outside = tmp_path / "outside.txt"
    write(outside, "secret words")
    (tmp_path / "s" / "raw" / "aria" / "0.txt").symlink_to(outside)
    (tmp_path / "s" / "wip" / "more").symlink_to(tmp_path, target_is_directory=True)
    assert "secret words" not in page(facts(tmp_path, read(tmp_path / "s")))


def test_the_page_keeps_its_size(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    write_set(tmp_path / "s")
    noise = np.random.default_rng(1)
    for number in range(38):
        place = tmp_path / "s" / "raw" / "noise" / f"{number:02}.png"
        place.parent.mkdir(exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (128, 128, 3), dtype=np.uint8)).save(place)
    made = page(facts(tmp_path, full(tmp_path / "s")))
    assert_sound(made)
    assert len(made.encode()) < MOST_BYTES
    assert "and 6 more" in made


def test_the_commands_own_words(project: Project) -> None:
    """The page of a real dataset, with what dsk answers."""
    root = project.dataset.root
    done = CliRunner().invoke(main, [str(root.parent)])
    assert done.exit_code == 0, done.output
    assert "index.html" in done.output
    found = assert_sound((root.parent / "index.html").read_text("utf-8"))
    assert "What lint found" in found.text
    assert "operations, one commit each" in found.text
    assert not [path for path in root.parent.iterdir() if path.name.startswith(".index")]
    assert "would have told" not in found.text


def test_what_gave_no_answer_is_named(project: Project) -> None:
    root = project.dataset.root
    (root / "dsk.toml").write_text("[lint]\nwrong = 1\n", "utf-8")
    done = CliRunner().invoke(main, [str(root.parent)])
    assert done.exit_code == 0, done.output
    found = assert_sound((root.parent / "index.html").read_text("utf-8"))
    assert "What these would have told is left out: dsk lint ended with exit code" in found.text


def test_a_folder_without_a_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no dataset"):
        write_page(tmp_path)
    done = CliRunner().invoke(main, [str(tmp_path)])
    assert done.exit_code == InputError.exit_code
    assert "no dataset" in done.output
