"""What rules of the filter would find, with their settings, before anybody turns them on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from datakit.actions.project import STAGES, Project
from datakit.config import inner_tables
from datakit.errors import DskError, StateError, UsageError
from datakit.model.order import RAW
from datakit.model.progress import Progress, silent
from datakit.model.stage import Drop, Outcome, Stage, Subject, surveyed
from datakit.registry import nearest
from datakit.repo.stagetree import read_items, stage_tree
from datakit.repo.transitions.inspecting import inspected
from datakit.repo.transitions.subjects import read_subjects

FILTERED: Final = "filtered"
ALL: Final = "all"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule found about one item."""

    item: str
    reason: str
    evidence: dict[str, Any]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, tried."""

    rule: str
    action: str
    """In dsk.toml: `off`, `flag` or `drop`."""
    found: tuple[Found, ...] = ()
    problem: str = ""
    """Why it cannot be asked here: something that it needs is not installed."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules found; nothing was changed."""

    num_items: int
    """Of raw."""
    num_dropped: int
    """That rules which are on, and were not tried, drop: nobody was asked about them."""
    rules: tuple[Tried, ...]


def try_rules(project: Project, names: Sequence[str], *, progress: Progress = silent) -> Trial:
    """Ask rules of the filter about every item of raw; `all` stands for all that can be asked here.

    Raises:
        UsageError: no such rule, the nearest is named.
        StateError: raw is empty, its images are not in this clone, or a rule needs something that is not installed.
    """
    stage, dataset = STAGES.load(FILTERED), project.dataset
    known = list(inner_tables(stage.settings))
    wanted = known if ALL in names else list(dict.fromkeys(names))
    for name in wanted:
        check_name(name, known)
    items = read_items(dataset, stage_tree(dataset, dataset.head_tree, RAW))
    subjects, _, _ = read_subjects(dataset, items, items, is_raw=True)
    if not subjects:
        raise StateError(f"{FILTERED}: raw has no images yet", hint="dsk import PATH")
    trial = _Trial(project, stage, subjects, progress)
    problems: dict[str, str] = {}
    try:
        outcomes = trial.outcomes(wanted)
    except DskError:
        if ALL not in names:
            raise
        problems = trial.problems(wanted)
        outcomes = trial.outcomes([name for name in wanted if name not in problems])
    return Trial(
        num_items=len(subjects),
        num_dropped=sum(isinstance(outcome, Drop) for outcome in outcomes),
        rules=tuple(
            Tried(
                rule=name,
                action=trial.action(name),
                found=tuple(_found(outcomes, name)),
                problem=problems.get(name, ""),
            )
            for name in wanted
        ),
    )


def check_name(name: str, known: Sequence[str]) -> None:
    """Refuse a word that names no rule.

    Raises:
        UsageError: names the nearest.
    """
    if name not in known:
        like = nearest(name, list(known))
        hint = f"did you mean '{like}'?" if like else f"{ALL}, or some of: {', '.join(known)}"
        raise UsageError(f"no rule '{name}' of {FILTERED}", hint=hint)


def _found(outcomes: Sequence[Outcome], rule: str) -> Iterator[Found]:
    for outcome in outcomes:
        for flag in () if isinstance(outcome, Drop) else outcome.flags:
            if flag.rule == rule:
                yield Found(item=outcome.key, reason=flag.reason, evidence=flag.evidence)


class _Trial:
    """Rules, asked about the same items."""

    def __init__(self, project: Project, stage: Stage, subjects: Sequence[Subject], progress: Progress) -> None:
        self._project = project
        self._stage = stage
        self._subjects = subjects
        self._progress = progress
        self._settings = project.settings(FILTERED)
        self._fields = {one.encode_name: one.name for one in msgspec.structs.fields(stage.settings)}

    def action(self, rule: str) -> str:
        """What `[filtered.<rule>]` says."""
        action: str = getattr(self._settings, self._fields[rule]).action
        return action

    def outcomes(self, rules: Sequence[str]) -> Sequence[Outcome]:
        """As the stage has them with these rules flagging, so that all they find is told, whatever else is found."""
        own = {self._fields[name]: getattr(self._settings, self._fields[name]) for name in rules}
        flagging = {field: msgspec.structs.replace(one, action="flag") for field, one in own.items()}
        settings = msgspec.structs.replace(self._settings, **flagging)
        given = self._project.prepared(self._stage, settings).given
        subjects = inspected(self._project.dataset, self._stage, given, self._subjects, self._progress)
        return self._stage.decide(subjects, surveyed(self._stage, subjects, given))

    def problems(self, rules: Sequence[str]) -> dict[str, str]:
        """Rule → why it cannot be asked, of those that cannot; by halves, so that few images are decoded twice."""
        try:
            self.outcomes(rules)
        except DskError as error:
            if len(rules) > 1:
                half = len(rules) // 2
                return self.problems(rules[:half]) | self.problems(rules[half:])
            return {rules[0]: f"{error.message} ({error.hint})" if error.hint else error.message}
        return {}
