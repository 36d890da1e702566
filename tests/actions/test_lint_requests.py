"""What is asked of lint, and what it tells: which rules, items and trainers, how severe, what is allowed and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import msgspec
import pytest
from hands import again
from lint_runs import make_faulty_folder, names, told, write

from datakit.actions.linting import jobs
from datakit.actions.linting.allowing import allow, allowances
from datakit.actions.linting.lint import Request, lint, lint_and_fix, lint_folder
from datakit.actions.linting.preflight import error_rules
from datakit.actions.project import Project
from datakit.errors import ConfigError, UsageError
from datakit.lint.collection import Collection
from datakit.lint.engine import RULES
from datakit.lint.model import Finding
from datakit.lint.selection import levels_of

Dsk = Callable[..., "CompletedProcess[str]"]
WIP = Request(stages=("wip",))
CAPTION = "wip/aria/danbooru_0.txt"


@pytest.fixture
def folder(scrape: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images with captions, one of them wrong in four ways."""
    return make_faulty_folder(scrape, tmp_path, monkeypatch)


def crashing(collection: Collection) -> Iterator[Finding]:
    yield from ()
    raise RuntimeError("boom")


def test_a_folder_has_settings_of_its_own(folder: Path) -> None:
    (folder / "dsk-lint.toml").write_text('[lint]\nignore = ["images"]\nseverity = {stray-comma = "error"}\n')
    report = lint_folder(folder).report
    assert {finding.severity for finding in report.findings if finding.name == "stray-comma"} == {"error"}
    assert not [finding for finding in report.findings if finding.code.startswith("I")]
    (folder / "dsk-lint.toml").write_text("[lint]\nselct = []\n")
    with pytest.raises(ConfigError, match=r"dsk-lint.toml \[lint\]: unknown key 'selct'"):
        lint_folder(folder)
    (folder / "dsk-lint.toml").write_text('[lint]\nignore = ["stray-coma"]\n')
    with pytest.raises(UsageError, match="no lint rule or group 'stray-coma'"):
        lint_folder(folder)


def test_rules_and_items_are_chosen(folder: Path) -> None:
    assert names(lint_folder(folder, Request(select=("stray-comma",))).report) == {"stray-comma"}
    assert not names(lint_folder(folder, Request(select=("T",), ignore=("tags", "T014", "T002"))).report)
    assert not names(lint_folder(folder, Request(where="nowhere", select=("T",))).report)
    assert names(lint_folder(folder, Request(where="long_hair", select=("T",))).report)


def test_places_and_queries_limit_what_is_told_and_fixed(advanced: Project) -> None:
    other = "wip/beth/danbooru_0.txt"
    write(advanced, other, "1girl, red_hat")
    project = write(advanced, CAPTION, "1girl, blue_hat")
    for request in (Request(stages=("wip",), inside="aria"), Request(stages=("wip",), where="blue_hat")):
        paths = {path for name, path in told(lint(project, request).report) if name == "underscore-in-tag"}
        assert paths == {CAPTION}
    lint_and_fix(again(project), Request(stages=("wip",), where="blue_hat"))
    assert (project.dataset.root / CAPTION).read_text() == "1girl, blue hat"
    assert (project.dataset.root / other).read_text() == "1girl, red_hat"


def test_what_there_is_not_is_refused(advanced: Project) -> None:
    for wrong in (Request(stages=("wpi",)), Request(select=("stray-coma",)), Request(targets=("kohya",))):
        with pytest.raises(UsageError):
            lint(advanced, wrong)
    for query in ("(((", "near-duplicate-of:aria/x"):
        with pytest.raises(ConfigError, match="--where"):
            lint(advanced, Request(select=("twin-name",), where=query))


def test_the_closer_word_gives_the_severity_whatever_the_order() -> None:
    rules = list(RULES.all())
    for chosen in ({"stray-comma": "error", "tags": "off"}, {"tags": "off", "stray-comma": "error"}):
        levels = levels_of(rules, chosen)  # type: ignore[arg-type]
        assert (levels["stray-comma"], levels["underscore-in-tag"]) == ("error", "off")
        assert "twin-name" not in levels


def test_a_severity_for_a_group_starts_no_rule_that_needs_a_trainer(advanced: Project) -> None:
    project = write(advanced, "dsk.toml", '[lint.severity]\nall = "error"\n')
    (project.dataset.root / "wip/stray.png").write_bytes(b"no image")
    needy = {rule.name for rule in RULES.all() if rule.needs_target}
    assert needy
    assert not needy & names(lint(project, WIP).report)
    assert {*error_rules(project, "sd-scripts")} & {rule.name for rule in RULES.all() if not rule.needs_target}


def test_what_is_switched_off_is_not_fixed(advanced: Project) -> None:
    write(advanced, "dsk.toml", '[lint.severity]\nunderscore-in-tag = "off"\n')
    before = write(advanced, CAPTION, "1girl, red_hat, hat, hat")
    lint_and_fix(before, WIP)
    assert (before.dataset.root / CAPTION).read_text() == "1girl, red_hat, hat"


def test_what_is_allowed_has_a_reason_and_a_use(advanced: Project) -> None:
    write(advanced, CAPTION, "aria, long hair, hat, hat")
    with pytest.raises(UsageError, match="why is it right"):
        allow(again(advanced), "duplicate-tag", reason=" ")
    with pytest.raises(UsageError, match="no lint rule"):
        allow(again(advanced), "duplicate-tags", reason="x")
    done = allow(again(advanced), "duplicate-tag", ["aria/danbooru_0"], reason="two hats")
    assert done.allow.where == 'item:"aria/danbooru_0"'
    assert not allow(again(advanced), "duplicate-tag", ["aria/danbooru_0"], reason="two hats").commit
    report = lint(again(advanced)).report
    assert ("duplicate-tag", CAPTION) not in told(report)
    assert [(one.finding.name, one.reason) for one in report.allowed] == [("duplicate-tag", "two hats")]
    assert not lint_and_fix(again(advanced)).commit
    write(advanced, CAPTION, "aria, long hair, hat")
    assert ("unused-allow", "dsk.toml") in told(lint(again(advanced)).report)
    assert [one.rule for one in allowances(again(advanced))] == ["duplicate-tag"]


def test_a_crash_is_told_whatever_was_asked_for(advanced: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [msgspec.structs.replace(rule, check=crashing) for rule in RULES.all() if rule.name == "stray-comma"]
    monkeypatch.setattr(jobs, "select", lambda *given, **named: rules)
    for request in (Request(stages=("wip",), where="nothing_like_it"), Request(stages=("wip",), inside="aria")):
        assert told(lint(again(advanced), request).report) == {("crashed-rule", "wip")}


def test_tokens_are_counted_in_a_real_run(folder: Path) -> None:
    min(folder.rglob("*.txt")).write_text(", ".join(f"word{number} thing" for number in range(90)))
    assert names(lint_folder(folder, Request(select=("T015",))).report) == {"too-many-tokens"}


def test_the_command_on_a_folder(folder: Path, dsk: Dsk, tmp_path: Path) -> None:
    done = dsk(tmp_path, "lint", str(folder), "--select", "P009,T014")
    assert done.returncode == 0, done.stderr
    assert "byte-order-mark" in done.stdout
    assert dsk(tmp_path, "lint", str(folder), "--select", "P009,T014", "--strict").returncode == 1
    refused = dsk(tmp_path, "lint", str(folder), "--fix")
    assert (refused.returncode, "is only read" in refused.stderr) == (2, True)
    page = tmp_path / "report.html"
    assert dsk(tmp_path, "lint", str(folder), "--output", str(page)).stderr.endswith("report.html: written\n")
    assert "byte-order-mark" in page.read_text()
    assert dsk(tmp_path, "lint", str(folder / "nowhere")).returncode == 2
