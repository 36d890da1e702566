"""Annotations in a run of GitHub Actions: one workflow command a line, which its log shows beside the file.

GitHub shows at most ten errors, ten warnings and ten notices of a step; its log has all of them.
"""

from __future__ import annotations

from typing import Final

from datakit.lint.engine import Report
from datakit.lint.formats.model import Format, View, printable, told
from datakit.lint.model import Finding
from datakit.lint.severities import Severity

_COMMANDS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "notice"}
# actions/toolkit:packages/core/src/command.ts, escapeData and escapeProperty
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


def render(report: Report, view: View) -> str:
    """A workflow command for each finding."""
    del view
    return "".join(f"{_line(finding)}\n" for finding in report.findings)


def _line(finding: Finding) -> str:
    properties = {"file": finding.shown_path, "title": f"{finding.code} {finding.name}"}
    said = ",".join(f"{key}={printable(value).translate(_PROPERTY)}" for key, value in properties.items() if value)
    return f"::{_COMMANDS[finding.severity]} {said}::{printable(told(finding)).translate(_DATA)}"


FORMAT: Final = Format(name="github", title="GitHub Actions", extension="txt", render=render)
