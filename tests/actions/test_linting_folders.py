"""Folders as people have them: odd names, files that cannot be read, mistakes in dsk-lint.toml; all are only read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

from datakit.actions import looking
from datakit.actions.linting.context import Context
from datakit.actions.linting.folders import FolderFiles, folder_collection, folder_settings
from datakit.actions.linting.lint import Request, lint_folder
from datakit.actions.linting.places import Place
from datakit.actions.linting.watched import stamp_of
from datakit.errors import ConfigError
from datakit.images.looks import MEASURED
from datakit.lint.engine import Report
from datakit.model.progress import silent

Dsk = Callable[..., "CompletedProcess[str]"]
ODD = (b"plain", b"line\nend", b"\xff\xfe", b"caf\xc3\xa9", b"-x")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with images of every kind of name, loops of links, and one caption with a fault."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "odd"
    (root / "a").mkdir(parents=True)
    for number, name in enumerate(ODD):
        stem = os.fsdecode(os.fsencode(root / "a") + b"/" + name)
        with Path(f"{stem}.png").open("wb") as file:
            Image.new("RGB", (64, 64), (number, 9, 9)).save(file, "PNG")
        Path(f"{stem}.txt").write_text(f"1girl, number {number}")
    (root / "a/plain.txt").write_text("1girl, red_hat")
    (root / "a/loop").symlink_to("loop")
    (root / "a/up").symlink_to("..")
    return root


def names(report: Report) -> set[str]:
    return {finding.name for finding in report.findings}


def state_of(root: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_any_name_will_do_and_nothing_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state_of(folder)
    first = lint_folder(folder).report
    assert "crashed-rule" not in names(first)
    assert first.num_images == len(ODD)
    monkeypatch.setattr(looking, "answer", None)
    assert lint_folder(folder).report == first
    assert state_of(folder) == before


def test_a_caption_that_cannot_be_read_is_told_and_the_others_are_looked_at(folder: Path) -> None:
    (folder / "a/x.txt").symlink_to("/proc/self/mem")
    report = lint_folder(folder, Request(select=("tags",))).report
    told = {(one.code, one.name, one.path) for one in report.findings if one.severity == "error"}
    assert ("E002", "unread-caption", "a/x.txt") in told
    assert "underscore-in-tag" in names(report)
    (folder / "a/x.txt").unlink()
    assert "unread-caption" not in names(lint_folder(folder, Request(select=("tags",))).report)


def test_a_change_that_keeps_size_and_time_is_seen(folder: Path) -> None:
    path = folder / "a/plain.txt"
    asked = Request(select=("underscore-in-tag",))
    assert names(lint_folder(folder, asked).report) == {"underscore-in-tag"}
    old = path.stat()
    with path.open("r+b") as file:
        file.write(b"1girl, red hat")
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert not names(lint_folder(folder, asked).report)


def test_what_another_version_remembered_is_found_anew(folder: Path) -> None:
    first = lint_folder(folder, Request(select=("tags",))).report
    memo = FolderFiles(folder, [MEASURED], silent).memo
    import contextlib
    import sqlite3

    with contextlib.closing(sqlite3.connect(memo._path)) as connection:
        connection.execute("UPDATE memo SET value = x'93010203' WHERE key LIKE 'lint:%'")
        connection.commit()
    assert lint_folder(folder, Request(select=("tags",))).report == first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lint = 3", "'lint' is a table, not a value"),
        ("vocab = []", "'vocab' is a table, not a value"),
        ("[lint.training]\nresolution = -5", "at least 1 pixel"),
        ("[lint.training]\nresolution = [0, 512]", "at least 1 pixel"),
        ('[[lint.allow]]\nrule = "twin-name"', "required field `reason`"),
        ('[[lint.allow]]\nrule = "twin-name"\nreason = "x"\nwhere = "((("', r"\[\[lint.allow\]\] where"),
    ],
)
def test_a_mistake_in_the_settings_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "dsk-lint.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        lint_folder(folder)


def test_a_number_too_large_to_remember_stops_nothing(folder: Path) -> None:
    (folder / "dsk-lint.toml").write_text(f"[lint.training]\nbatch_size = {10**30}")
    assert "crashed-rule" not in names(lint_folder(folder).report)


def test_an_empty_folder_still_refuses_what_is_no_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    assert not lint_folder(tmp_path / "empty").report.findings
    with pytest.raises(ConfigError, match="--where"):
        lint_folder(tmp_path / "empty", Request(where="((("))


def test_a_cache_that_cannot_be_written_costs_only_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lint_folder(folder).report
    (folder.parent / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "file"))
    assert lint_folder(folder).report == first


def test_a_path_that_leads_nowhere_is_named(folder: Path, dsk: Dsk) -> None:
    for word in (str(folder / "a/loop"), "~nobody-of-that-name", str(folder / "a/plain.png")):
        done = dsk(folder, "lint", word)
        assert (done.returncode, "is neither a stage nor a folder" in done.stderr) == (2, True), done.stderr


def test_a_report_that_lint_writes_into_the_folder_is_no_change(folder: Path) -> None:
    place, report = Place(root=folder), folder / "report.html"
    before = stamp_of(place, but=report)
    report.write_text("1")
    assert stamp_of(place, but=report) == before
    assert stamp_of(place) != before


def test_rules_get_the_folders_resolution(folder: Path) -> None:
    (folder / "dsk-lint.toml").write_text("[lint.training]\nresolution = [512, 768]")
    settings, vocab, _ = folder_settings(folder)
    files = FolderFiles(folder, [MEASURED], silent)
    assert folder_collection(files, settings, vocab, Context()).context.training.resolution_px == (512, 768)
