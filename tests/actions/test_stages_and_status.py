"""Advance, its single steps and status: what they say, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from datakit.actions.advancing import advance, run_stage
from datakit.actions.exporting.writing import export_format, stale_before_wip
from datakit.actions.importing import import_folder
from datakit.actions.project import BAKE_TABLES, Project, open_project
from datakit.actions.reporting import Status, read_status
from datakit.actions.starting import settings_template
from datakit.errors import ConfigError, StateError, UsageError
from datakit.repo.transitions.pipeline import Transition

Scrape = Callable[..., Path]


def again(project: Project, settings: str | None = None) -> Project:
    if settings is not None:
        (project.dataset.root / "dsk.toml").write_text(settings)
    return open_project(project.dataset.root)


def states(project: Project) -> dict[str, str]:
    return {one.stage: one.stale for one in read_status(again(project)).stages}


def test_subjects_say_what_happened(empty: Project, scrape: Scrape) -> None:
    folder = scrape(aria=22)
    names = sorted((folder / "danbooru/aria").glob("*.png"))
    (names[0].parent / "zz_copy.png").write_bytes(names[0].read_bytes())
    (names[0].parent / "zz_cut.png").write_bytes(names[1].read_bytes()[:-40])
    import_folder(empty, folder)
    told: list[Transition] = []
    done = advance(empty, tell=told.append)
    assert told == done
    assert [one.subject for one in done] == [
        "filtered: 22 of 24 kept (1 exact duplicate, 1 unreadable)",
        "edited: 22 images",
        "captioned: 22 captions",
        "cleaned: 22 prompts",
        "wip: 22 items",
        "export: kohya, 22 images",
    ]
    dropped = {key: drop.rule for key, drop in done[0].dropped.items()}
    assert dropped == {"aria/zz_copy": "exact-duplicate", "aria/zz_cut": "unreadable"}
    assert advance(again(empty)) == []


def test_each_single_step_runs_one_stage(project: Project) -> None:
    for stage in ("filtered", "edited", "captioned", "cleaned", "wip"):
        before = project.dataset.head
        done = run_stage(project, stage)
        assert done is not None
        assert done.subject.startswith(f"{stage}: 5 ")
        assert bytes(project.dataset.repo.revparse_single("HEAD~1").id.raw) == before
        assert run_stage(project, stage) is None
    assert set(states(project).values()) == {"", "kohya: never run"}


def test_stages_become_stale_one_after_the_other(project: Project) -> None:
    assert states(project) == {"raw": "", "filtered": "never run", **dict.fromkeys(
        ("edited", "captioned", "cleaned", "wip", "export"), "")}  # fmt: skip
    advance(project)
    assert not any(states(project).values())
    changed = again(project, "[cleaned]\ntrigger = 'me'\n")
    assert states(changed)["cleaned"] == "[cleaned] in dsk.toml changed"
    assert states(changed)["filtered"] == states(changed)["wip"] == ""
    assert stale_before_wip(changed) == {"cleaned": "[cleaned] in dsk.toml changed"}
    with pytest.raises(StateError, match="cleaned must run first") as caught:
        run_stage(changed, "wip")
    assert "dsk advance wip" in caught.value.hint
    run_stage(changed, "cleaned")
    assert states(changed)["wip"] == "cleaned changed"


def test_status_is_json_and_comes_back(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text("mine")
    (root / "wip/aria/notes.psd").write_text("mine")
    status = msgspec.json.decode(msgspec.json.encode(read_status(again(advanced))), type=Status)
    assert status.root == str(root)
    assert status.commit == str(advanced.dataset.repo.head.target)
    assert status.hand_edits == ("wip/aria/danbooru_0.txt",)
    assert status.unmanaged == ("wip/aria/notes.psd",)
    assert [(one.stage, one.num_images) for one in status.stages] == [
        (name, 5) for name in ("raw", "filtered", "edited", "captioned", "cleaned", "wip", "export")
    ]


def test_when_every_image_is_dropped_the_cause_is_named(project: Project) -> None:
    strict = again(project, "[filtered.too-small]\nmin_side_px = 4096\n")
    told: list[Transition] = []
    with pytest.raises(StateError) as caught:
        advance(strict, tell=told.append)
    assert [one.subject for one in told] == ["filtered: 0 of 5 kept (5 too small)"]
    assert caught.value.message == "wip is empty: filtered dropped every one of 5 images"
    assert "[filtered] in dsk.toml" in caught.value.hint
    relaxed = again(project, "[filtered.too-small]\nmin_side_px = 8\n")
    assert len(advance(relaxed)) == 6


def test_an_empty_wip_names_the_next_command(empty: Project, scrape: Scrape) -> None:
    with pytest.raises(StateError) as caught:
        export_format(empty, "kohya")
    assert caught.value.hint == "dsk import PATH"
    import_folder(empty, scrape(aria=1))
    with pytest.raises(StateError) as caught:
        export_format(empty, "kohya")
    assert caught.value.hint == "dsk advance wip"


def test_the_settings_file_names_every_table_of_a_bake() -> None:
    told = settings_template().partition("[bake]")[2]
    assert [name for name in BAKE_TABLES if f" {name}" not in told] == []


@pytest.mark.parametrize(("word", "cure"), [("cleand", "'cleaned'"), ("raw", "one of: filtered"), ("zzz", "one of:")])
def test_a_word_that_is_no_stage_is_refused(project: Project, word: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        advance(project, word)
    assert cure in caught.value.hint


@pytest.mark.parametrize(
    ("text", "words", "cure"),
    [
        ("[export]\nformats = ['koya']", "formats: unknown key 'koya'", "'kohya'"),
        ("[raw]\nkeep = 1", "raw has no settings", ""),
        ("[bake]\ntrian = 1", "unknown key 'trian'", "'train'"),
        ("[bake]\ntrain = 1", "'bake.train' is a table", "[bake.train]"),
        ("[export.kohya]\nresolution = 128", "min_bucket_reso 256 is over resolution 128", ""),
    ],
)
def test_a_wrong_setting_stops_before_anything_runs(project: Project, text: str, words: str, cure: str) -> None:
    before = project.dataset.head
    with pytest.raises(ConfigError) as caught:
        advance(again(project, text))
    assert words in caught.value.message
    assert cure in caught.value.hint
    assert project.dataset.head == before


def test_a_byte_order_mark_is_no_mistake(project: Project) -> None:
    (project.dataset.root / "dsk.toml").write_bytes(b"\xef\xbb\xbf[filtered.too-small]\nmin_side_px = 8\n")
    assert again(project).settings("filtered").too_small.min_side_px == 8
