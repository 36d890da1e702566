"""Nothing that lint calls an error for a trainer is exported or baked, unless somebody says so; then it is recorded."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again

from datakit.actions.advancing import advance
from datakit.actions.bakes.ledger import Bake, encode, find_bake
from datakit.actions.bakes.making import bake
from datakit.actions.exporting.writing import export_format
from datakit.actions.linting.lint import Request, lint
from datakit.actions.linting.preflight import error_rules, preflight
from datakit.actions.project import Project, open_project
from datakit.actions.reporting import read_status
from datakit.errors import StateError, UsageError
from datakit.exports.model import EXPORTS, Export, Ignored, Manifest
from datakit.lint.engine import RULES
from datakit.lint.targets.model import TARGETS

Dsk = Callable[..., "subprocess.CompletedProcess[str]"]
BLANK = "wip/aria/danbooru_1.txt"
CUT = "wip/aria/danbooru_2.png"


def empty_a_caption(project: Project, path: str = BLANK) -> Project:
    """A caption of no bytes, of which sd-scripts dies."""
    (project.dataset.root / path).write_bytes(b"")
    return again(project)


def cut_short(project: Project) -> None:
    """Half an image, as a download that broke off leaves it."""
    path = project.dataset.root / CUT
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])


def with_settings(project: Project, text: str) -> Project:
    (project.dataset.root / "dsk.toml").write_text(text)
    return again(project)


def manifest_of(project: Project) -> Manifest:
    import msgspec

    data = (project.dataset.root / "export/kohya/manifest.json").read_bytes()
    return msgspec.json.decode(data, type=Manifest)


def test_an_error_in_wip_is_refused_with_its_cure(advanced: Project) -> None:
    before = manifest_of(advanced)
    with pytest.raises(StateError) as caught:
        export_format(empty_a_caption(advanced), "kohya")
    assert caught.value.message.startswith(f"1 error in wip for sd-scripts: {BLANK}: empty caption: zero bytes")
    assert caught.value.hint == "dsk lint --for sd-scripts wip shows all; dsk export --force goes on"
    assert manifest_of(advanced) == before
    assert read_status(again(advanced)).hand_edits == ()


def test_many_errors_are_counted_and_the_first_named(advanced: Project) -> None:
    for path in (advanced.dataset.root / "wip").rglob("*.txt"):
        path.write_bytes(b"")
    with pytest.raises(StateError) as caught:
        export_format(again(advanced), "kohya")
    assert caught.value.message.startswith("5 errors in wip for sd-scripts: wip/aria/danbooru_0.txt: ")
    assert caught.value.message.count("wip/") == 3
    assert caught.value.message.endswith("; and 2 more")


def test_what_is_refused_is_what_lint_calls_an_error_for_that_trainer(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text("1girl, 1girl, red_hat")
    (root / "wip/beth/danbooru_0.txt").unlink()
    project = empty_a_caption(advanced)
    report = lint(project, Request(stages=("wip",), targets=("sd-scripts",))).report
    errors = {(one.name, one.shown_path) for one in report.findings if one.severity == "error"}
    assert len(errors) == 2
    assert {(one.name, one.path) for one in preflight(project, "sd-scripts", force=True)} == errors


def test_force_goes_on_and_the_manifest_says_past_what(advanced: Project) -> None:
    project = empty_a_caption(advanced)
    written = export_format(project, "kohya", force=True)
    assert written is not None
    (ignored,) = manifest_of(project).ignored
    assert (ignored.code, ignored.name, ignored.path) == ("P003", "empty-caption", BLANK)
    assert "zero bytes" in ignored.message
    assert any(BLANK in note and "P003 empty-caption" in note for note in written.notes)
    assert not (project.dataset.root / "export/kohya/1_aria/danbooru_1.txt").exists()
    assert (project.dataset.root / "export/kohya/1_aria/danbooru_1.png").exists()


def test_an_export_made_with_force_is_up_to_date(advanced: Project) -> None:
    project = empty_a_caption(advanced)
    export_format(project, "kohya", force=True)
    assert export_format(again(project), "kohya") is None
    assert advance(again(project)) == []
    (stage,) = (one for one in read_status(again(project)).stages if one.stage == "export")
    assert not stage.stale
    assert len(manifest_of(project).ignored) == 1


def test_force_that_ignored_nothing_says_nothing(advanced: Project) -> None:
    (advanced.dataset.root / BLANK).write_text("aria, smile")
    written = export_format(again(advanced), "kohya", force=True)
    assert written is not None
    assert written.notes == ()
    assert manifest_of(advanced).ignored == ()


def test_only_wip_is_looked_at(advanced: Project) -> None:
    (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_text("aria, smile")
    assert export_format(empty_a_caption(advanced, "captioned/aria/danbooru_1.txt"), "kohya") is not None


@pytest.mark.parametrize(
    "settings",
    [
        '[[lint.allow]]\nrule = "empty-caption"\nreason = "regularisation"\nwhere = "item:aria/danbooru_1"\n',
        '[lint]\nignore = ["P003"]\n',
        '[lint]\nseverity = {empty-caption = "warning"}\n',
        '[lint]\nseverity = {P003 = "off"}\n',
    ],
)
def test_what_the_settings_allow_does_not_block(advanced: Project, settings: str) -> None:
    project = with_settings(empty_a_caption(advanced), settings)
    written = export_format(project, "kohya")
    assert written is not None
    assert [note for note in written.notes if "without caption" in note]
    assert manifest_of(project).ignored == ()


def test_what_the_settings_call_an_error_blocks(advanced: Project) -> None:
    (advanced.dataset.root / BLANK).write_text("1girl, 1girl")
    project = with_settings(advanced, '[lint]\nseverity = {duplicate-tag = "error"}\n')
    with pytest.raises(StateError, match=f"1 error in wip for sd-scripts: {BLANK}"):
        export_format(project, "kohya")


def test_an_image_cut_short_is_refused(advanced: Project) -> None:
    cut_short(advanced)
    with pytest.raises(StateError, match=f"1 error in wip for sd-scripts: {CUT}: "):
        export_format(again(advanced), "kohya")


def test_two_images_of_one_caption_are_refused_and_one_is_left_out_and_told_with_force(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "wip/aria/danbooru_0.webp").write_bytes(webp())
    with pytest.raises(StateError, match="for sd-scripts: wip/aria/danbooru_0"):
        export_format(again(advanced), "kohya")
    written = export_format(again(advanced), "kohya", force=True)
    assert written is not None
    assert any("danbooru_0.webp" in note for note in written.notes)
    assert {path.name for path in (root / "export/kohya/1_aria").glob("danbooru_0.*")} == {
        *("danbooru_0.png", "danbooru_0.txt")
    }


def webp() -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (260, 256), "navy").save(file, "WEBP")
    return file.getvalue()


def test_a_refused_export_loses_no_stage_before_it(advanced: Project, dsk: Dsk) -> None:
    cut_short(advanced)
    project = with_settings(advanced, '[cleaned]\ntrigger = "sks"\n')
    told: list[str] = []
    with pytest.raises(StateError, match=CUT):
        advance(project, tell=lambda done: told.append(done.stage))
    assert told == ["cleaned", "wip"]
    assert (advanced.dataset.root / "wip/aria/danbooru_0.txt").read_text().startswith("sks, ")
    assert advance(again(project), "wip") == []
    said = dsk(advanced.dataset.root, "advance")
    assert said.returncode == StateError.exit_code
    assert "dsk export --force goes on" in said.stderr


def test_the_command_line_says_what_it_ignored(advanced: Project, dsk: Dsk) -> None:
    root = empty_a_caption(advanced).dataset.root
    refused = dsk(root, "export")
    assert refused.returncode == StateError.exit_code
    assert BLANK in refused.stderr
    done = dsk(root, "export", "--force")
    assert done.returncode == 0, done.stderr
    assert f"note: ignored: {BLANK}: empty caption: zero bytes" in done.stderr
    assert json.loads((root / "export/kohya/manifest.json").read_text())["ignored"][0]["name"] == "empty-caption"


def test_a_bake_is_refused_before_it_begins(advanced: Project) -> None:
    project = empty_a_caption(advanced)
    export_format(project, "kohya", force=True)
    with pytest.raises(StateError, match=f"1 error in wip for dsk: {BLANK}") as caught:
        bake(again(project))
    assert caught.value.hint == "dsk lint --for dsk wip shows all; dsk bake --force goes on"
    assert not list((project.dataset.private).glob("bakes/*"))


def test_the_ledger_says_what_a_bake_ignored(advanced: Project) -> None:
    ignored = Ignored(code="P003", name="empty-caption", path=BLANK, message='empty caption: "zero" bytes')
    done = Bake(
        id="2026-01-01-001", commit="a", lora="x", images=5, steps=1, first_loss=1.0, final_loss=0.5, seconds=1.0,
        device="cpu", config={"train": {"steps": 1}}, versions={"torch": "2"}, ignored=(ignored, ignored),
    )  # fmt: skip
    (advanced.dataset.root / "bakes").mkdir()
    (advanced.dataset.root / "bakes/2026-01-01-001.toml").write_text(encode(done))
    assert find_bake(advanced) == done


def test_every_export_is_for_a_trainer_and_mends_what_rules_find() -> None:
    exports: list[Export] = list(EXPORTS.all())
    assert {export.target for export in exports} - {""} <= {target.name for target in TARGETS.all()}
    rules = {rule.name for rule in RULES.all()}
    assert {name for export in exports for name in export.mends} <= rules


def test_rules_differ_by_trainer_and_an_unknown_one_is_refused(advanced: Project) -> None:
    assert {"empty-caption", "unreadable-image"} <= {*error_rules(advanced, "sd-scripts")}
    assert "fallback-caption" in error_rules(advanced, "sd-scripts")
    assert "fallback-caption" not in error_rules(advanced, "dsk")
    assert "empty-caption" not in error_rules(advanced, "sd-scripts", {"empty-caption"})
    with pytest.raises(UsageError, match="no trainer 'kohya'"):
        preflight(advanced, "kohya", force=False)


def test_an_empty_dataset_is_refused_as_before(empty: Project) -> None:
    with pytest.raises(StateError, match="wip is empty"):
        export_format(open_project(Path(empty.dataset.root)), "kohya", force=True)
