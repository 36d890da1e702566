"""Every finding with its evidence, for other programs."""

from __future__ import annotations

from typing import Any, Final

from datakit.lint.engine import Report
from datakit.lint.formats.model import Format, Named, View, named_rules, summary_of
from datakit.lint.model import Finding
from datakit.model.record import encode_json


def as_json(report: Report, view: View) -> dict[str, Any]:
    """The report as JSON values; paths are relative to the dataset's root."""
    return {
        "findings": [_finding(finding) for finding in report.findings],
        "allowed": [{**_finding(one.finding), "reason": one.reason} for one in report.allowed],
        "counts": report.counts(),
        "rules": [_rule(rule, view) for rule in named_rules(report)],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "stage": finding.stage,
        "item": finding.item,
        "path": finding.shown_path,
        "message": finding.message,
        "hint": finding.hint,
        "fixable": finding.fixable,
        "fix_safety": finding.fix_safety,
        "evidence": finding.evidence,
    }


def _rule(rule: Named, view: View) -> dict[str, Any]:
    return {
        "code": rule.code,
        "name": rule.name,
        "group": rule.group,
        "severity": rule.severity,
        "fix_safety": rule.fix_safety,
        "preview": rule.preview,
        "summary": summary_of(view.docs(rule.name)),
    }


def render(report: Report, view: View) -> str:
    """The report as JSON, with sorted keys."""
    return encode_json(as_json(report, view)).decode()


FORMAT: Final = Format(name="json", title="JSON", extension="json", render=render)
