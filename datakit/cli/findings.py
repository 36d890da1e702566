"""A lint report in the terminal, grouped by file; one line a finding where the output goes elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from datakit.cli.output import plain, say, show, table, width
from datakit.lint.engine import Report
from datakit.lint.model import Finding
from datakit.lint.severities import SEVERITIES, Severity
from datakit.lint.words import counted

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from datakit.lint.mending import Mended

_STYLES: Final[dict[Severity, str]] = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_MARKS: Final = {"none": "", "safe": "[*]", "unsafe": "[*!]"}
_WIDE: Final = 150
"""Columns from which the cure stands beside what is wrong."""
_MEDIUM: Final = 90
"""Columns from which what is wrong stands beside the rule."""
_SHOWN_MENDED: Final = 50


def print_report(report: Report, *, limit: int = 200) -> None:
    """The findings, then how many there are and how many of them a fix cures.

    Args:
        limit: files that a terminal shows in full, those with the worst findings before all others; of the rest it
            shows counts. 0 for all. What goes elsewhere is never cut.
    """
    if not sys.stdout.isatty():
        for finding in report.findings:
            _say_plain(finding)
    elif report.findings:
        _show_files(report, limit or len(report.findings))
    say(_summary(report))


def print_mended(mended: Mended) -> None:
    """What was fixed and what was left: file by file, or counted by rule where it is much."""
    if len(mended.fixed) <= _SHOWN_MENDED or not sys.stdout.isatty():
        for finding in mended.fixed:
            say(f"fixed: {finding.shown_path}: {finding.message}")
    else:
        for (code, name), number in _by_rule(mended.fixed):
            say(f"fixed: {code} {name} {number:,} times")
    for refusal in mended.refused[: _SHOWN_MENDED if sys.stdout.isatty() else None]:
        say(f"not fixed: {refusal.finding.shown_path}: {refusal.reason}")
    if sys.stdout.isatty() and len(mended.refused) > _SHOWN_MENDED:
        say(f"not fixed: {len(mended.refused) - _SHOWN_MENDED:,} more")


def _say_plain(finding: Finding) -> None:
    mark = f" {_MARKS[finding.fix_safety]}" if finding.fixable else ""
    where = finding.shown_path or "."
    say(f"{where}: {finding.severity} {finding.code} {finding.name}{mark}: {finding.message}")
    if finding.hint:
        say(f"  cure: {finding.hint}")


def _show_files(report: Report, limit: int) -> None:
    files: dict[str, list[Finding]] = {}
    for finding in report.findings:
        files.setdefault(finding.shown_path, []).append(finding)
    paths = list(files)
    if len(paths) > limit:
        paths.sort(key=lambda path: min(SEVERITIES.index(finding.severity) for finding in files[path]))
    shown = paths[:limit]
    rules = max(len(_rule(finding)) for path in shown for finding in files[path])
    for path in shown:
        show(_heading(path))
        show(_rows(files[path], rules))
        say("")
    if len(paths) > limit:
        say(f"… and {len(paths) - limit:,} more files (--all shows them); all findings by rule:")
        table(
            ("rule", "severity", "findings"),
            [(f"{code} {name}", _severity_of(report, code), f"{n:,}") for (code, name), n in _by_rule(report.findings)],
            right=("findings",),
        )
        say("")


def _heading(path: str) -> Text:
    from rich.text import Text

    folder, slash, name = plain(path or ".").rpartition("/")
    return Text.assemble((folder + slash, "dim"), (name, "bold"), overflow="fold")


def _rows(findings: Sequence[Finding], rules: int) -> Table:
    """The findings of one file; `rules` is the width of the widest rule, so that files stand in line."""
    from rich.table import Table

    columns = width()
    drawn = Table.grid(padding=(0, 2, 0, 0), expand=columns >= _MEDIUM)
    if columns >= _MEDIUM:
        drawn.add_column(width=9)
        drawn.add_column(width=rules, no_wrap=True)
        drawn.add_column(ratio=3, overflow="fold")
        if columns >= _WIDE:
            drawn.add_column(ratio=2, overflow="fold")
    else:
        drawn.add_column(width=2)
        drawn.add_column(overflow="fold")
    for finding in findings:
        drawn.add_row(*_cells(finding, columns))
    return drawn


def _cells(finding: Finding, columns: int) -> Iterator[Text]:
    from rich.text import Text

    indent = "  " if columns >= _MEDIUM else ""
    level = Text(f"{indent}{finding.severity}", style=_STYLES[finding.severity])
    rule = Text.assemble((finding.code, "dim"), f" {finding.name}", (_mark(finding), "green"))
    message, cure = Text(plain(finding.message)), Text(f"cure: {plain(finding.hint)}", style="dim")
    if not finding.hint:
        cure = Text("")
    if columns >= _WIDE:
        yield from (level, rule, message, cure)
    elif columns >= _MEDIUM:
        yield from (level, rule, Text("\n").join(filter(len, (message, cure))))
    else:
        yield Text("")
        yield Text("\n").join(filter(len, (Text.assemble(level, " ", rule), message, cure)))


def _mark(finding: Finding) -> str:
    return f" {_MARKS[finding.fix_safety]}" if finding.fixable else ""


def _rule(finding: Finding) -> str:
    return f"{finding.code} {finding.name}{_mark(finding)}"


def _by_rule(findings: Iterable[Finding]) -> list[tuple[tuple[str, str], int]]:
    return Counter((finding.code, finding.name) for finding in findings).most_common()


def _severity_of(report: Report, code: str) -> Severity:
    return min((one.severity for one in report.findings if one.code == code), key=SEVERITIES.index)


def _summary(report: Report) -> str:
    """`3 errors, 5 warnings; 4 fixable with --fix, 1 more with --unsafe-fixes; 2 allowed`."""
    counts = report.counts()
    found = ", ".join(
        f"{counts[level]:,} info" if level == "info" else counted(counts[level], level)
        for level in SEVERITIES
        if counts[level]
    )
    looked = f"{counted(report.num_images, 'image')} and {counted(report.num_captions, 'caption')}"
    parts = [found or f"nothing found in {looked}"]
    by_safety = Counter(finding.fix_safety for finding in report.findings if finding.fixable)
    fixes = [f"{by_safety['safe']:,} fixable with --fix"] if by_safety["safe"] else []
    if by_safety["unsafe"]:
        fixes.append(f"{by_safety['unsafe']:,} {'more' if fixes else 'fixable'} with --unsafe-fixes")
    parts += [", ".join(fixes)] if fixes else []
    parts += [f"{len(report.allowed):,} allowed"] if report.allowed else []
    return "; ".join(parts)
