"""What is asked of lint in a dataset: which rules, items and trainers; what is remembered; what a fix may touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hands import again, all_files, assert_clean, commit_edits, head

from datakit.actions.linting import jobs
from datakit.actions.linting.lint import Linted, Request, lint, lint_and_fix
from datakit.actions.linting.preflight import error_rules
from datakit.actions.project import Project
from datakit.errors import ConfigError, UsageError
from datakit.lint.collection import Collection
from datakit.lint.engine import RULES
from datakit.lint.model import Finding, Rule
from datakit.lint.selection import levels_of
from datakit.repo.operations.undo import undo

WIP = Request(stages=("wip",))
CAPTION = "wip/aria/danbooru_0.txt"


def write(project: Project, path: str, text: str) -> Project:
    (project.dataset.root / path).write_text(text, newline="")
    return again(project)


def told(linted: Linted) -> set[tuple[str, str]]:
    return {(finding.name, finding.shown_path) for finding in linted.report.findings}


def crashing(collection: Collection) -> Iterator[Finding]:
    yield from ()
    raise RuntimeError("boom")


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
    assert not needy & {name for name, _ in told(lint(project, WIP))}
    assert {*error_rules(project, "sd-scripts")} & {rule.name for rule in RULES.all() if not rule.needs_target}


def test_what_is_switched_off_is_not_fixed(advanced: Project) -> None:
    write(advanced, "dsk.toml", '[lint.severity]\nunderscore-in-tag = "off"\n')
    before = write(advanced, CAPTION, "1girl, red_hat, hat, hat")
    lint_and_fix(before, WIP)
    assert (before.dataset.root / CAPTION).read_text() == "1girl, red_hat, hat"


def test_places_and_queries_limit_what_is_told_and_fixed(advanced: Project) -> None:
    other = "wip/beth/danbooru_0.txt"
    write(advanced, other, "1girl, red_hat")
    project = write(advanced, CAPTION, "1girl, blue_hat")
    for request in (Request(stages=("wip",), inside="aria"), Request(stages=("wip",), where="blue_hat")):
        paths = {path for name, path in told(lint(project, request)) if name == "underscore-in-tag"}
        assert paths == {CAPTION}
    lint_and_fix(again(project), Request(stages=("wip",), where="blue_hat"))
    assert (project.dataset.root / CAPTION).read_text() == "1girl, blue hat"
    assert (project.dataset.root / other).read_text() == "1girl, red_hat"
    for wrong in (Request(stages=("wpi",)), Request(select=("stray-coma",)), Request(targets=("nobody",))):
        with pytest.raises(UsageError):
            lint(project, wrong)
    with pytest.raises(ConfigError, match="--where"):
        lint(project, Request(select=("twin-name",), where="((("))


def test_a_crash_is_told_whatever_was_asked_for(advanced: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec

    rules = [msgspec.structs.replace(rule, check=crashing) for rule in RULES.all() if rule.name == "stray-comma"]
    monkeypatch.setattr(jobs, "select", lambda *given, **named: rules)
    for request in (Request(stages=("wip",), where="nothing_like_it"), Request(stages=("wip",), inside="aria")):
        assert told(lint(again(advanced), request)) == {("crashed-rule", "wip")}


def test_the_memo_is_asked_until_something_changes(advanced: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = jobs.run

    def counted(rules: list[Rule], collections: list[Collection], **named: object) -> object:
        asked.append(collections[0].stage)
        return real(rules, collections, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs, "run", counted)

    def runs(request: Request = WIP) -> int:
        asked.clear()
        first, number = lint(again(advanced), request).report, len(asked)
        assert lint(again(advanced), request).report == first
        assert len(asked) == number
        return number

    assert runs() == 1
    assert runs() == 0
    write(advanced, CAPTION, "1girl, red_hat")
    assert runs() == 1
    commit_edits(advanced)
    write(advanced, "dsk.toml", "[lint.training]\nbatch_size = 7\n")
    assert runs() == 1
    assert runs(Request(stages=("wip",), targets=("onetrainer",))) == 1


def test_taking_note_of_raw_by_hand_is_a_change(advanced: Project, scrape: Callable[..., Path]) -> None:
    """Items of wip come from raw as it is recorded: files that stand there before and after are the same ones."""
    root = advanced.dataset.root
    image = next(scrape("more", cleo=1).rglob("*.png")).read_bytes()
    for stage in ("raw", "wip"):
        (root / stage / "cleo").mkdir()
        (root / stage / "cleo/new.png").write_bytes(image)
    asked = Request(stages=("wip",), select=("item-without-origin",))
    before = told(lint(again(advanced), asked))
    commit_edits(advanced)
    assert told(lint(again(advanced), asked)) == set()
    assert before <= {("item-without-origin", "wip/cleo/new.png")}


def test_fixes_are_one_operation_that_undo_takes_back(advanced: Project, git: Callable[..., str]) -> None:
    write(advanced, CAPTION, "\ufeff1girl, red_hat,, red hat\r\n")
    (advanced.dataset.root / "wip/beth/danbooru_0.txt").rename(advanced.dataset.root / "wip/beth/danbooru_0.png.txt")
    commit_edits(advanced)
    before, at = all_files(advanced.dataset.root), head(advanced)
    fixed = lint_and_fix(again(advanced), WIP)
    assert (advanced.dataset.root / CAPTION).read_bytes() == b"1girl, red hat\n"
    assert (advanced.dataset.root / "wip/beth/danbooru_0.txt").exists()
    assert fixed.commit == head(advanced)
    assert not lint_and_fix(again(advanced), WIP).commit
    undo(again(advanced).dataset)
    assert all_files(advanced.dataset.root) == before
    assert head(advanced) != at
    assert_clean(advanced.dataset.root, git)


def test_a_file_that_dsk_does_not_keep_gets_its_name_and_loses_nothing(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / CAPTION).unlink()
    stray = (root / CAPTION).with_suffix(".caption")
    stray.write_text("1girl, by hand")
    lint_and_fix(again(advanced), WIP)
    assert not stray.exists()
    assert (root / CAPTION).read_text() == "1girl, by hand"
