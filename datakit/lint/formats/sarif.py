"""SARIF 2.1.0, for code scanning and for editors that show findings beside the files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from datakit.lint.engine import CRASH_CODE, Report
from datakit.lint.formats.model import Format, Named, View, named_rules, printable, summary_of, told
from datakit.lint.model import Finding
from datakit.lint.severities import Severity
from datakit.model.item import CAPTION_EXTENSION
from datakit.model.record import encode_json

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "note"}
_BASE: Final = "%SRCROOT%"
_FINGERPRINT: Final = "dskFinding/v1"


def as_sarif(report: Report, view: View) -> dict[str, Any]:
    """The report as a SARIF log of one run."""
    rules = named_rules(report)
    places = {rule.code: number for number, rule in enumerate(rules)}
    results = [_result(finding, places) for finding in report.findings]
    results += [
        _result(one.finding, places)
        | {"suppressions": [{"kind": "external", "status": "accepted", "justification": one.reason}]}
        for one in report.allowed
    ]
    whole = all(finding.code != CRASH_CODE for finding in report.findings)
    driver = {"name": "dsk", "version": view.version, "rules": [_rule(rule, view) for rule in rules]}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "dsk lint/"},
        "invocations": [{"executionSuccessful": whole}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Named, view: View) -> dict[str, Any]:
    page = view.docs(rule.name)
    summary = summary_of(page) or rule.name.replace("-", " ")
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": summary},
        "fullDescription": {"text": _section(page, "What it does") or summary},
        "help": {"text": page or summary, "markdown": page or summary},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"tags": [rule.group], "fixSafety": rule.fix_safety, "preview": rule.preview},
    }


def _section(page: str, heading: str) -> str:
    """What stands below a heading, on one line."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _result(finding: Finding, places: Mapping[str, int]) -> dict[str, Any]:
    return {
        "ruleId": finding.code,
        "ruleIndex": places[finding.code],
        "level": _LEVELS[finding.severity],
        "message": {"text": told(finding)},
        "locations": [{"physicalLocation": _place(finding)}],
        "partialFingerprints": {_FINGERPRINT: _fingerprint(finding)},
        "properties": {
            "item": finding.item,
            "stage": finding.stage,
            "cure": finding.hint,
            "fixable": finding.fixable,
            "fixSafety": finding.fix_safety,
            "evidence": finding.evidence,
        },
    }


def _place(finding: Finding) -> dict[str, Any]:
    """Where it is. Only text has lines; an image and a folder are meant as a whole."""
    uri = quote(finding.shown_path.encode("utf-8", "surrogateescape"), safe="/") or "./"
    place: dict[str, Any] = {"artifactLocation": {"uri": uri, "uriBaseId": _BASE}}
    if finding.path.lower().endswith(CAPTION_EXTENSION):
        place["region"] = {"startLine": 1}
    return place


def _fingerprint(finding: Finding) -> str:
    """The same for a finding that is found again: by rule, file and message, numbers left out since they change."""
    said = "\n".join((finding.name, finding.shown_path, re.sub(r"\d+", "#", finding.message)))
    return hashlib.sha256(printable(said).encode()).hexdigest()[:32]


def render(report: Report, view: View) -> str:
    """The report as SARIF."""
    return encode_json(as_sarif(report, view)).decode()


FORMAT: Final = Format(name="sarif", title="SARIF 2.1.0", extension="sarif", render=render)
