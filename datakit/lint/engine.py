"""Runs rules over collections: one report, and nothing that a rule does wrong stops the others."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Final

import msgspec

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.model import Finding, Rule
from datakit.lint.severities import SEVERITIES, Level
from datakit.model.item import split_path
from datakit.registry import Family
from datakit.store.collector import without_collector

RULES: Final = Family("datakit.lint.rules", Rule, "RULE", word="lint rule")

CRASH_CODE: Final = "E000"
CRASH_NAME: Final = "crashed-rule"
UNREAD_CODE: Final = "E002"
UNREAD_NAME: Final = "unread-caption"


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that somebody said is right as it is."""

    finding: Finding
    reason: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and by which rules in how many files."""

    findings: tuple[Finding, ...]
    """In the order of the collections, then by path, then by code."""
    rules: tuple[Rule, ...]
    num_images: int
    num_captions: int
    allowed: tuple[Allowed, ...] = ()
    """What was found and is not told, since it is right as it is."""

    @property
    def exit_code(self) -> int:
        """1 when there is an error, else 0: warnings do not stop anybody."""
        return int(any(finding.severity == "error" for finding in self.findings))

    def counts(self) -> dict[str, int]:
        """Findings by severity, how many of them `--fix` cures, and how many files were looked at."""
        by_severity = Counter(finding.severity for finding in self.findings)
        return {
            **{severity: by_severity[severity] for severity in SEVERITIES},
            "fixable": sum(finding.fixable for finding in self.findings),
            "allowed": len(self.allowed),
            "images": self.num_images,
            "captions": self.num_captions,
        }


def run(rules: Iterable[Rule], collections: Sequence[Collection], *, severities: Mapping[str, Level] = {}) -> Report:
    """Every finding of the rules in the collections of the stages they concern.

    Args:
        severities: rule's name → its severity everywhere, in the place of its own.

    Raises:
        ValueError: two collections are of the same stage.
    """
    rules = tuple(rules)
    by_stage(collections)
    findings: list[Finding] = []
    for collection in collections:
        found: list[Finding] = []
        for rule in rules:
            with nullcontext() if rule.looks else without_collector():  # images are too large to wait for it
                found += _findings_of(rule, collection, severities.get(rule.name))
        found += _unread(collection)
        findings += sorted(found, key=lambda finding: (finding.path, finding.code))
    return Report(
        findings=tuple(findings),
        rules=rules,
        num_images=sum(len(collection.images) for collection in collections),
        num_captions=sum(len(collection.captions) for collection in collections),
    )


def by_stage(collections: Sequence[Collection]) -> dict[str, Collection]:
    """The collections by name of their stage.

    Raises:
        ValueError: two of them are of the same stage.
    """
    found = {collection.stage: collection for collection in collections}
    if len(found) < len(collections):
        raise ValueError(f"collections of one stage: {[collection.stage for collection in collections]}")
    return found


def _findings_of(rule: Rule, collection: Collection, chosen: Level | None) -> Iterator[Finding]:
    level = chosen or rule.severity_at(collection.stage, collection.context.targets)
    if rule.needs_target and not collection.context.targets:
        level = "off"
    if collection.stage not in rule.stages or level == "off" or (rule.last_only and not collection.is_last):
        return
    try:
        for finding in rule.check(collection):
            yield msgspec.structs.replace(
                finding,
                hint=_hint(finding.hint, collection.stage),
                item=finding.item or split_path(finding.path)[0],
                code=rule.code,
                name=rule.name,
                severity=level,
                stage=collection.stage,
                fix_safety=rule.fix_safety if finding.fixable else "none",
            )
    except Exception as error:  # noqa: BLE001 - whatever a rule does wrong is reported as a finding
        yield _crash(rule, collection.stage, error)


def _hint(hint: str, stage: str) -> str:
    """A cure that can be had where the finding is: a folder is only read."""
    return f"in a dataset {hint}" if stage == FOLDER and hint.startswith("dsk lint --fix") else hint


def _unread(collection: Collection) -> Iterator[Finding]:
    """The captions that a rule wanted to read and that could not be."""
    for path, reason in collection.unread.items():
        yield Finding(
            path=path,
            message=f"cannot be read: {reason}",
            hint="check permissions and the disk; no rule has seen what it says",
            evidence={"reason": reason},
            item=split_path(path)[0],
            code=UNREAD_CODE,
            name=UNREAD_NAME,
            stage=collection.stage,
        )


def _crash(rule: Rule, stage: str, error: Exception) -> Finding:
    line = traceback.extract_tb(error.__traceback__)[-1]
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    return Finding(
        path="",
        message=f"rule {rule.name} stopped: {reason} (line {line.lineno} of {line.name})",
        hint="what it would have found is not in this report; the other rules ran",
        evidence={"rule": rule.name, "exception": type(error).__name__},
        code=CRASH_CODE,
        name=CRASH_NAME,
        severity="error",
        stage=stage,
    )
