"""Findings that somebody said are right as they are: they are set apart, and who allows what is not there is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from datakit.lint.engine import Allowed, Report
from datakit.lint.model import Finding, Rule
from datakit.lint.selection import closeness
from datakit.lint.settings import Allow

UNUSED_CODE: Final = "E001"
UNUSED_NAME: Final = "unused-allow"
Covers = Callable[[Allow, Finding], bool]


def set_apart(report: Report, allows: Sequence[Allow], covers: Covers, *, where: str, is_whole: bool) -> Report:
    """The report with what is allowed set apart.

    Args:
        covers: whether an allowance's query finds the item of a finding of its rule.
        where: the file that the allowances stand in.
        is_whole: whether everything was looked at, so that an allowance without a finding is one for nothing.
    """
    rules = {rule.name: rule for rule in report.rules}
    used: set[int] = set()
    kept: list[Finding] = []
    allowed: list[Allowed] = []
    for finding in report.findings:
        rule = rules.get(finding.name)
        number = _covering(rule, finding, allows, covers) if rule is not None else None
        if number is None:
            kept.append(finding)
        else:
            used.add(number)
            allowed.append(Allowed(finding=finding, reason=allows[number].reason))
    if is_whole:
        kept += [
            _unused(allow, where)
            for number, allow in enumerate(allows)
            if number not in used and any(closeness(rule, allow.rule) is not None for rule in report.rules)
        ]
    return msgspec.structs.replace(report, findings=tuple(kept), allowed=tuple(allowed))


def _covering(rule: Rule, finding: Finding, allows: Sequence[Allow], covers: Covers) -> int | None:
    for number, allow in enumerate(allows):
        if closeness(rule, allow.rule) is not None and (not allow.where or covers(allow, finding)):
            return number
    return None


def _unused(allow: Allow, where: str) -> Finding:
    meant = f" where {allow.where}" if allow.where else ""
    return Finding(
        path=where,
        message=f"[[lint.allow]] {allow.rule}{meant}: nothing of that kind is found any more",
        hint=f"take it out of {where}",
        evidence={"rule": allow.rule, "where": allow.where, "reason": allow.reason},
        code=UNUSED_CODE,
        name=UNUSED_NAME,
        severity="warning",
    )
