"""From findings to the changes that cure them: only what can be applied together, never over another file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from datakit.lint.collection import Collection
from datakit.lint.engine import Report, by_stage
from datakit.lint.model import Change, Delete, Finding, Rename, Rule, Write, rooted

AMBIGUOUS: Final = "another fix wants the same file name"
LATER: Final = "another fix changes the same file"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A fixable finding that is left as it is."""

    finding: Finding
    reason: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What `--fix` does. The changes touch each file at most once, so their order does not matter."""

    changes: tuple[Change, ...]
    """Paths are relative to the dataset's root."""
    fixed: tuple[Finding, ...]
    refused: tuple[Refusal, ...]


class _Proposal(msgspec.Struct, frozen=True):
    finding: Finding
    changes: tuple[Change, ...]


def plan_fixes(report: Report, collections: Sequence[Collection], *, unsafe: bool = False) -> Plan:
    """The changes that cure the report's fixable findings; a finding's changes are taken all or none.

    Args:
        unsafe: also take the fixes that may lose something or guess.
    """
    stages = by_stage(collections)
    rules = {rule.code: rule for rule in report.rules}
    proposals: list[_Proposal] = []
    refused: list[Refusal] = []
    taken = _Taken(stages)
    for finding in report.findings:
        rule = rules.get(finding.code)
        if not finding.fixable or rule is None or (rule.fix_safety == "unsafe" and not unsafe):
            continue
        outcome = _propose(rule, finding, stages[finding.stage])
        reason = outcome if isinstance(outcome, str) else taken.obstacle(outcome.changes)
        if isinstance(outcome, str) or reason:
            refused.append(Refusal(finding=finding, reason=reason))
        else:
            proposals.append(outcome)
    return _without_conflicts(proposals, refused)


def _propose(rule: Rule, finding: Finding, collection: Collection) -> _Proposal | str:
    """The finding's changes from the dataset's root, or why there are none."""
    if rule.fix is None:
        return f"rule {rule.name} has no fix"
    try:
        changes = rule.fix(finding, collection)
    except Exception as error:  # noqa: BLE001 - one fix that fails must not stop the others
        return f"the fix of rule {rule.name} stopped: {type(error).__name__}: {error}"
    return _Proposal(finding, tuple(_rooted_change(change, collection.stage) for change in changes))


class _Taken:
    """Which file names are in use, with names that differ only in case taken as one: some disks do so."""

    def __init__(self, stages: dict[str, Collection]) -> None:
        self._stages = stages
        self._names: Counter[str] | None = None

    def obstacle(self, changes: Sequence[Change]) -> str:
        """Why these changes cannot be made on the files as they are; '' when they can."""
        for change in changes:
            if isinstance(change, Rename):
                rivals = self._count(change.new) - (change.old.casefold() == change.new.casefold())
                if rivals > 0:
                    return f"{change.new} exists"
            if isinstance(change, Rename | Delete) and not self._count(_source(change)):
                return f"{_source(change)} is not there"
        return ""

    def _count(self, path: str) -> int:
        if self._names is None:
            self._names = Counter(
                rooted(stage, held).casefold()
                for stage, collection in self._stages.items()
                for held in collection.paths
            )
        return self._names[path.casefold()]


def _without_conflicts(proposals: list[_Proposal], refused: list[Refusal]) -> Plan:
    """Two different files that want one name: neither gets it. Two changes of one file: the first."""
    wanted = Counter(new.casefold() for new, _ in {pair for p in proposals for pair in _renames(p)})
    touched: dict[str, Change] = {}
    fixed: list[Finding] = []
    for proposal in proposals:
        reason = ""
        if any(wanted[new.casefold()] > 1 for new, _ in _renames(proposal)):
            reason = AMBIGUOUS
        elif any(touched.get(path, change) != change for change in proposal.changes for path in _touches(change)):
            reason = LATER
        if reason:
            refused.append(Refusal(finding=proposal.finding, reason=reason))
            continue
        fixed.append(proposal.finding)
        touched |= {path: change for change in proposal.changes for path in _touches(change)}
    return Plan(changes=tuple(dict.fromkeys(touched.values())), fixed=tuple(fixed), refused=tuple(refused))


def _renames(proposal: _Proposal) -> list[tuple[str, str]]:
    return [(change.new, change.old) for change in proposal.changes if isinstance(change, Rename)]


def _source(change: Rename | Delete) -> str:
    return change.old if isinstance(change, Rename) else change.path


def _touches(change: Change) -> tuple[str, ...]:
    return (change.old, change.new) if isinstance(change, Rename) else (change.path,)


def _rooted_change(change: Change, stage: str) -> Change:
    match change:
        case Rename(old, new):
            return Rename(rooted(stage, old), rooted(stage, new))
        case Write(path, data):
            return Write(rooted(stage, path), data)
        case Delete(path):
            return Delete(rooted(stage, path))
