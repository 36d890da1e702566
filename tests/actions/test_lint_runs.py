"""What a run of lint reads, remembers and writes: folders are only read, no file is read twice, fixes are undone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again, all_files, assert_clean, commit_edits, head
from lint_runs import MARKED, make_faulty_folder, names, told, write

from datakit.actions import looking
from datakit.actions.linting import jobs
from datakit.actions.linting.lint import Request, fixes_of_folder, lint, lint_and_fix, lint_folder
from datakit.actions.linting.reports import diff_of
from datakit.actions.project import Project
from datakit.lint.collection import Collection
from datakit.lint.model import Rule
from datakit.repo.operations.undo import undo
from datakit.repo.oplog import history

WIP = Request(stages=("wip",))
CAPTION = "wip/aria/danbooru_0.txt"


@pytest.fixture
def folder(scrape: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images with captions, one of them wrong in four ways."""
    return make_faulty_folder(scrape, tmp_path, monkeypatch)


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_folder_is_only_read(folder: Path) -> None:
    before = state_of(folder)
    faults = {"byte-order-mark", "underscore-in-tag", "stray-comma", "carriage-return"}
    assert names(lint_folder(folder).report) >= faults
    assert "+aria, 1girl, long hair, hat" in "\n".join(diff_of(fixes_of_folder(folder)))
    assert state_of(folder) == before


def test_a_second_run_reads_nothing_and_says_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lint_folder(folder).report

    def refuse(*given: object, **named: object) -> object:
        raise AssertionError("was looked at again")

    monkeypatch.setattr(looking, "answer", refuse)
    monkeypatch.setattr(jobs, "run", refuse)
    assert lint_folder(folder).report.findings == first.findings


def test_an_image_is_looked_at_once_wherever_it_lies(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lint_folder(folder)
    moved = tmp_path / "moved"
    folder.rename(moved)
    monkeypatch.setattr(looking, "answer", None)
    assert lint_folder(moved).report.num_images == 3


def test_a_changed_file_is_read_again(folder: Path) -> None:
    assert "byte-order-mark" in names(lint_folder(folder).report)
    (wrong,) = (path for path in folder.rglob("*.txt") if path.read_bytes() == MARKED)
    old = wrong.stat()
    wrong.write_bytes(MARKED[3:] + b"abc")
    os.utime(wrong, ns=(old.st_atime_ns, old.st_mtime_ns + 1_000_000))
    assert "byte-order-mark" not in names(lint_folder(folder).report)


def test_a_datasets_memo_is_asked_until_something_changes(advanced: Project, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert ("underscore-in-tag", CAPTION) in told(lint(again(advanced), WIP).report)
    commit_edits(advanced)
    write(advanced, "dsk.toml", "[lint.training]\nbatch_size = 7\n")
    assert runs() == 1
    write(advanced, "dsk.toml", '[lint.rules.underscore-in-tag]\nspelling = "underscores"\n')
    assert runs() == 1
    assert ("underscore-in-tag", CAPTION) not in told(lint(again(advanced), WIP).report)
    assert runs(Request(stages=("wip",), targets=("onetrainer",))) == 1


def test_taking_note_of_raw_by_hand_is_a_change(advanced: Project, scrape: Callable[..., Path]) -> None:
    """Items of wip come from raw as it is recorded: files that stand there before and after are the same ones."""
    root = advanced.dataset.root
    image = next(scrape("more", cleo=1).rglob("*.png")).read_bytes()
    for stage in ("raw", "wip"):
        (root / stage / "cleo").mkdir()
        (root / stage / "cleo/new.png").write_bytes(image)
    asked = Request(stages=("wip",), select=("item-without-origin",))
    before = told(lint(again(advanced), asked).report)
    commit_edits(advanced)
    assert told(lint(again(advanced), asked).report) == set()
    assert before <= {("item-without-origin", "wip/cleo/new.png")}


def test_fixes_of_several_rules_are_one_operation(advanced: Project, git: Callable[..., str]) -> None:
    write(advanced, CAPTION, "\ufeff1girl, red_hat,, red hat\r\n")
    (advanced.dataset.root / "wip/beth/danbooru_0.txt").rename(advanced.dataset.root / "wip/beth/danbooru_0.png.txt")
    commit_edits(advanced)
    before, at = all_files(advanced.dataset.root), head(advanced)
    fixed = lint_and_fix(again(advanced), WIP)
    assert (advanced.dataset.root / CAPTION).read_bytes() == b"1girl, red hat\n"
    assert (advanced.dataset.root / "wip/beth/danbooru_0.txt").exists()
    assert fixed.mended is not None
    cured = {"byte-order-mark", "underscore-in-tag", "duplicate-tag", "double-extension-caption"}
    assert {finding.name for finding in fixed.mended.fixed} >= cured
    newest = next(iter(history(again(advanced).dataset)))
    assert (newest.op, newest.commit, head(advanced)) == ("lint", fixed.commit, fixed.commit)
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
