"""One row for each finding, for spreadsheets (RFC 4180)."""

from __future__ import annotations

import csv
import io
from typing import Final

from datakit.lint.engine import Report
from datakit.lint.formats.model import Format, View, printable
from datakit.lint.model import Finding

COLUMNS: Final = ("severity", "code", "name", "stage", "item", "path", "message", "cure", "fix")
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula, or leaves out before one."""


def render(report: Report, view: View) -> str:
    """A header, and a row for each finding."""
    del view
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(tuple(map(_harmless, _cells(finding))) for finding in report.findings)
    return text.getvalue()


def _cells(finding: Finding) -> tuple[str, ...]:
    return (
        finding.severity,
        finding.code,
        finding.name,
        finding.stage,
        finding.item,
        finding.shown_path,
        finding.message,
        finding.hint,
        finding.fix_safety,
    )


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet computes: an apostrophe makes it text."""
    cell = printable(cell).replace("\0", "\ufffd")
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell


FORMAT: Final = Format(name="csv", title="CSV", extension="csv", render=render)
