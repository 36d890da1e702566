"""What tests of lint's runs share: a folder with faults, and what a report says in short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hands import again

from datakit.actions.project import Project
from datakit.lint.engine import Report

MARKED = b"\xef\xbb\xbfaria, 1girl, long_hair,, hat\r\n"


def make_faulty_folder(scrape: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images with captions, one of them wrong in four ways."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = scrape("plain", aria=3)
    for image in sorted(made.rglob("*.png")):
        image.with_suffix(".txt").write_text(f"aria, 1girl, {image.stem.replace('_', ' ')}")
    min(made.rglob("*.txt")).write_bytes(MARKED)
    return made


def write(project: Project, path: str, text: str) -> Project:
    (project.dataset.root / path).write_text(text, newline="")
    return again(project)


def told(report: Report) -> set[tuple[str, str]]:
    return {(finding.name, finding.shown_path) for finding in report.findings}


def names(report: Report) -> set[str]:
    return {finding.name for finding in report.findings}
