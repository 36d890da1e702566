"""dsk rule, and how findings look in a terminal and elsewhere."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datakit.actions.project import Project
from datakit.cli.findings import print_report
from datakit.lint.engine import RULES, Allowed, Report
from datakit.lint.model import Finding

Dsk = Callable[..., subprocess.CompletedProcess[str]]


def test_the_list_has_every_rule_and_needs_no_dataset(dsk: Dsk, tmp_path: Path) -> None:
    done = dsk(tmp_path, "rule")
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(dsk(tmp_path, "rule", "--json").stdout)
    assert {row["name"] for row in rows} == {name.replace("_", "-") for name in RULES.names()}
    assert [row["code"] for row in rows] == sorted(row["code"] for row in rows)
    assert len(done.stdout.splitlines()) == len(rows) + 1
    pairs = json.loads(dsk(tmp_path, "rule", "pairs", "--json").stdout)
    assert {row["group"] for row in pairs} == {"pairs"}


@pytest.mark.parametrize("word", ["P001", "p001", "missing-caption"])
def test_one_rule_is_explained(dsk: Dsk, tmp_path: Path, word: str) -> None:
    done = dsk(tmp_path, "rule", word)
    assert done.stdout.startswith("# P001 missing-caption\n")
    assert "## Why is this bad?" in done.stdout
    assert "An image has no caption." in json.loads(dsk(tmp_path, "rule", word, "--json").stdout)["page"]


def test_an_unknown_rule_names_the_nearest(dsk: Dsk, tmp_path: Path) -> None:
    done = dsk(tmp_path, "rule", "mising-caption")
    assert done.returncode == 2
    assert "did you mean 'missing-caption'?" in done.stderr


def finding(path: str, *, severity: str = "error", fix: str = "none") -> Finding:
    return Finding(
        path=path,
        message="is off, and that is told in a sentence which is longer than a narrow terminal",
        hint="cure it",
        fixable=fix != "none",
        code="P001",
        name="missing-caption",
        severity=severity,  # type: ignore[arg-type]
        stage="wip",
        fix_safety=fix,  # type: ignore[arg-type]
    )


def report(*findings: Finding) -> Report:
    allowed = (Allowed(finding=finding("z.txt"), reason="meant"),)
    return Report(findings=findings, rules=(), num_images=1, num_captions=2, allowed=allowed)


def test_elsewhere_a_finding_is_a_line_and_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [finding("a.txt", fix="safe"), finding("b\x1b.txt", severity="warning", fix="unsafe"), finding("c.txt")]
    print_report(report(*rows), limit=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("wip/a.txt: error P001 missing-caption [*]: is off, and")
    assert lines[1] == "  cure: cure it"
    assert lines[2].startswith("wip/b\\x1b.txt: warning P001 missing-caption [*!]: ")
    assert lines[-1] == "2 errors, 1 warning; 1 fixable with --fix, 1 more with --unsafe-fixes; 1 allowed"
    assert len(lines) == 7


def test_nothing_found_says_what_was_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(report())
    assert capsys.readouterr().out == "nothing found in 1 image and 2 captions; 1 allowed\n"


def in_terminal(folder: Path, columns: int, *words: str) -> str:
    """What dsk prints to a terminal."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "datakit", "-C", str(folder), *words]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=env):
        os.close(theirs)
        said = bytearray()
        while chunk := read(ours):
            said += chunk
    os.close(ours)
    return said.decode().replace("\r\n", "\n")


def read(descriptor: int) -> bytes:
    """Some bytes; none at the end, which Linux tells as an error."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""


@pytest.mark.parametrize("columns", [60, 100, 200])
def test_a_terminal_shows_files_with_their_findings(advanced: Project, columns: int) -> None:
    root = advanced.dataset.root
    for path in sorted(root.glob("wip/*/*.txt"))[:2]:
        path.write_bytes(b"")
    said = in_terminal(root, columns, "lint", "wip", "--select", "empty-caption")
    assert "\x1b[1;31m" in said, "errors are red"
    lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()
    assert max(map(len, lines)) <= columns
    assert sum(line.startswith("wip/") for line in lines) == 2
    assert sum("P003 empty-caption" in line for line in lines) == 2
    assert sum("cure: " in line for line in lines) == 2
    assert lines[-1] == "2 errors"


def test_a_page_in_a_terminal_is_drawn(tmp_path: Path) -> None:
    said = in_terminal(tmp_path, 80, "rule", "empty-caption")
    assert "P003 empty-caption" in said
    assert "## " not in said
