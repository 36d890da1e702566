"""Runs of lint: a folder is only read, equal files are looked at once, fixes are one operation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hands import again

from datakit.actions import looking
from datakit.actions.linting import jobs
from datakit.actions.linting.allowing import allow, allowances
from datakit.actions.linting.lint import Request, fixes_of_folder, lint, lint_and_fix, lint_folder
from datakit.actions.linting.reports import diff_of
from datakit.actions.project import Project
from datakit.errors import ConfigError, UsageError
from datakit.lint.engine import Report
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history

Dsk = Callable[..., "CompletedProcess[str]"]
CAPTION = "wip/aria/danbooru_0.txt"


@pytest.fixture
def folder(scrape: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images with captions, one of them wrong in three ways."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = scrape("plain", aria=3)
    for image in sorted(made.rglob("*.png")):
        image.with_suffix(".txt").write_text(f"aria, 1girl, {image.stem.replace('_', ' ')}")
    next(iter(sorted(made.rglob("*.png")))).with_suffix(".txt").write_bytes(
        b"\xef\xbb\xbfaria, 1girl, long_hair,, hat\r\n"
    )
    return made


def told(report: Report) -> list[tuple[str, str]]:
    return [(finding.name, finding.shown_path) for finding in report.findings]


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_folder_is_only_read(folder: Path) -> None:
    before = state_of(folder)
    names = {name for name, _ in told(lint_folder(folder).report)}
    assert names >= {"byte-order-mark", "underscore-in-tag", "stray-comma", "carriage-return"}
    patch = "\n".join(diff_of(fixes_of_folder(folder)))
    assert "+aria, 1girl, long hair, hat" in patch
    assert state_of(folder) == before


def test_a_second_run_reads_nothing_and_says_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lint_folder(folder).report

    def refuse(*given: object, **named: object) -> object:
        raise AssertionError("was looked at again")

    monkeypatch.setattr(looking, "answer", refuse)
    monkeypatch.setattr(jobs, "run", refuse)
    assert lint_folder(folder).report.findings == first.findings
    monkeypatch.undo()


def test_an_image_is_looked_at_once_wherever_it_lies(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lint_folder(folder)
    moved = tmp_path / "moved"
    folder.rename(moved)
    monkeypatch.setattr(looking, "answer", None)
    assert lint_folder(moved).report.num_images == 3


def test_a_changed_file_is_read_again(folder: Path) -> None:
    assert "byte-order-mark" in dict(told(lint_folder(folder).report))
    (wrong,) = (path for path in folder.rglob("*.txt") if path.read_bytes().startswith(b"\xef\xbb\xbf"))
    old = wrong.stat()
    wrong.write_bytes(wrong.read_bytes()[3:] + b"abc")
    os.utime(wrong, ns=(old.st_atime_ns, old.st_mtime_ns + 1_000_000))
    assert "byte-order-mark" not in dict(told(lint_folder(folder).report))


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


def test_what_is_asked_for(folder: Path) -> None:
    assert {name for name, _ in told(lint_folder(folder, Request(select=("stray-comma",))).report)} == {"stray-comma"}
    assert not told(lint_folder(folder, Request(select=("T",), ignore=("tags", "T014", "T002"))).report)
    assert not told(lint_folder(folder, Request(where="nowhere", select=("T",))).report)
    assert told(lint_folder(folder, Request(where="long_hair", select=("T",))).report)
    with pytest.raises(ConfigError, match="--where"):
        lint_folder(folder, Request(where="near-duplicate-of:aria/x"))
    with pytest.raises(UsageError, match="no trainer 'kohya'"):
        lint_folder(folder, Request(targets=("kohya",)))


def test_fixes_of_several_rules_are_one_operation(advanced: Project) -> None:
    path = advanced.dataset.root / CAPTION
    path.write_bytes(b"\xef\xbb\xbfaria, 1girl, long_hair,, hat, hat\r\n")
    linted = lint_and_fix(again(advanced), Request(stages=("wip",)))
    assert path.read_bytes() == b"aria, 1girl, long hair, hat\n"
    assert linted.mended is not None
    assert {finding.name for finding in linted.mended.fixed} >= {
        "byte-order-mark",
        "underscore-in-tag",
        "duplicate-tag",
    }
    newest = next(iter(history(again(advanced).dataset)))
    assert (newest.op, newest.commit) == ("lint", linted.commit)
    undo(again(advanced).dataset)
    assert path.read_bytes() == b"\xef\xbb\xbfaria, 1girl, long_hair,, hat, hat\r\n"


def test_a_datasets_second_run_is_the_memos(advanced: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lint(again(advanced)).report
    real = jobs.run
    monkeypatch.setattr(jobs, "run", None)
    assert lint(again(advanced)).report.findings == first.findings
    monkeypatch.setattr(jobs, "run", real)
    (advanced.dataset.root / CAPTION).write_text("aria, long_hair, hat, some_tag")
    assert ("underscore-in-tag", CAPTION) in told(lint(again(advanced)).report)
    (advanced.dataset.root / "dsk.toml").write_text('[lint.rules.underscore-in-tag]\nspelling = "underscores"\n')
    assert ("underscore-in-tag", CAPTION) not in told(lint(again(advanced)).report)


def test_what_is_allowed_has_a_reason_and_a_use(advanced: Project) -> None:
    path = advanced.dataset.root / CAPTION
    path.write_text("aria, long hair, hat, hat")
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
    path.write_text("aria, long hair, hat")
    assert ("unused-allow", "dsk.toml") in told(lint(again(advanced)).report)
    assert [one.rule for one in allowances(again(advanced))] == ["duplicate-tag"]


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


def test_tokens_are_counted_in_a_real_run(folder: Path) -> None:
    min(folder.rglob("*.txt")).write_text(", ".join(f"word{number} thing" for number in range(90)))
    assert {name for name, _ in told(lint_folder(folder, Request(select=("T015",))).report)} == {"too-many-tokens"}
