"""What a report's format is. Formats are pure: no disk, no clock; what they need besides the report is in `View`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from datakit.lint.engine import Report
from datakit.lint.model import Finding, FixSafety, Group
from datakit.lint.severities import SEVERITIES, Severity
from datakit.registry import Family


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What a report needs besides the findings."""

    root: str
    """The name that the dataset or folder is shown by."""
    version: str
    """Of dsk."""
    thumbnail: Callable[[str], bytes | None] = lambda path: None
    """A finding's path, as it is shown → WebP or JPEG of its item's image; None where there is none."""
    docs: Callable[[str], str] = lambda name: ""
    """Rule's name → its page as Markdown; '' of a rule that has none."""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """One format. Its module's docstring says who reads it."""

    name: str
    """As in `--format`."""
    title: str
    extension: str
    """Without dot."""
    render: Callable[[Report, View], str]
    """The whole file; it can be encoded as UTF-8 whatever files are called."""


FORMATS: Final = Family("datakit.lint.formats", Format, "FORMAT", word="report format")


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as a report knows it."""

    code: str
    name: str
    severity: Severity
    """The worst of its findings; of a rule that found nothing its own."""
    group: Group | Literal["engine"]
    """`engine` for the findings of lint itself: a rule that crashed, a suppression that is not used."""
    fix_safety: FixSafety = "none"
    preview: bool = False


def named_rules(report: Report) -> list[Named]:
    """Every rule that ran, and lint's own where they found something, by code."""
    found: dict[str, Severity] = {}
    names: dict[str, str] = {}
    for one in (*report.findings, *(row.finding for row in report.allowed)):
        found[one.code] = worst([one.severity, found.get(one.code, one.severity)])
        names[one.code] = one.name
    rules = [
        Named(
            code=rule.code,
            name=rule.name,
            severity=found.pop(rule.code, rule.severity),
            group=rule.group,
            fix_safety=rule.fix_safety,
            preview=rule.preview,
        )
        for rule in report.rules
    ]
    rules += [Named(code=code, name=names[code], severity=level, group="engine") for code, level in found.items()]
    return sorted(rules, key=lambda rule: rule.code)


def worst(severities: Iterable[Severity]) -> Severity:
    """The worst of some severities; there is at least one."""
    return min(severities, key=SEVERITIES.index)


def told(finding: Finding) -> str:
    """What is wrong and the cure, in two lines."""
    return f"{finding.message}\ncure: {finding.hint}" if finding.hint else finding.message


def printable(text: str) -> str:
    """With what is no text (a file name that is not UTF-8) shown as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def summary_of(page: str) -> str:
    """What a rule finds, in one sentence: the first line of its page that is no heading."""
    return next((line.strip() for line in page.splitlines() if line.strip() and not line.startswith("#")), "")
