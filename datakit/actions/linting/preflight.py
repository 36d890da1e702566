"""What lint must not find in wip before it is exported or baked: the errors of the trainer that is aimed at."""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Sequence
from typing import Final

from datakit.actions.linting.context import targets_named
from datakit.actions.linting.lint import Request, lint
from datakit.actions.looking import ABSENT
from datakit.actions.project import Counted, Project
from datakit.errors import StateError
from datakit.exports.model import Ignored
from datakit.lint.engine import RULES
from datakit.lint.selection import ALL, levels_of, select
from datakit.model.item import split_path
from datakit.model.order import WIP
from datakit.model.progress import Progress, silent

OURS: Final = "dsk"
"""Our own trainer, as lint names it."""
_TOLD: Final = 3
"""How many errors a refusal names."""


def preflight(
    project: Project,
    target: str,
    *,
    force: bool,
    mended: Names[str] = (),
    needs_content: bool = False,
    progress: Progress = silent,
) -> tuple[Ignored, ...]:
    """Lint wip, and wip alone, by the rules that can find errors for a trainer; with `force`, what was found.

    It finds what `dsk lint --for TARGET wip` calls an error, or `dsk lint wip` where there is no target, but for the
    rules in `mended`; that an image's content is not in this clone counts only where it is needed.

    Raises:
        StateError: there are errors, and no `force`; names the first ones and the cure.
    """
    rules = error_rules(project, target, mended)
    if not rules:
        return ()
    found = lint(project, Request(stages=(WIP,), select=rules, targets=_named(target)), progress=progress)
    errors = tuple(
        Ignored(code=one.code, name=one.name, path=one.shown_path, message=one.message)
        for one in found.report.findings
        if one.severity == "error" and (needs_content or one.evidence.get("reason") != ABSENT["unreadable"])
    )
    if errors and not force:
        raise refusal(errors, target)
    return errors


def error_rules(project: Project, target: str, mended: Names[str] = ()) -> tuple[str, ...]:
    """Names of the rules that run in wip and call what they find an error for a trainer, as dsk.toml has it.

    Raises:
        UsageError: no such trainer.
    """
    settings = project.lint_settings
    aims = targets_named(_named(target))
    running = select(RULES.all(), settings.select or (ALL,), settings.ignore, preview=settings.preview)
    chosen = levels_of(running, settings.severity)
    return tuple(
        rule.name
        for rule in running
        if WIP in rule.stages
        and rule.name not in mended
        and chosen.get(rule.name, rule.severity_at(WIP, aims)) == "error"
    )


def without_items(errors: Sequence[Ignored], keys: Names[str]) -> tuple[Ignored, ...]:
    """The errors that are not of these items of wip."""
    return tuple(one for one in errors if split_path(one.path.removeprefix(f"{WIP}/"))[0] not in keys)


def _named(target: str) -> tuple[str, ...]:
    return (target,) if target else ()


def in_words(ignored: Sequence[Ignored], *, listed_in: str) -> tuple[str, ...]:
    """What was gone past, as notes: a line each, the first ones."""
    lines = [f"ignored: {one.path}: {one.message} ({one.code} {one.name})" for one in ignored[:_TOLD]]
    more = len(ignored) - len(lines)
    return (*lines, f"ignored: {Counted(more, 'more error')}, listed in {listed_in}") if more else tuple(lines)


def refusal(errors: Sequence[Ignored], target: str) -> StateError:
    """What is said where errors are not gone past; names the first ones and the cure."""
    first = "; ".join(f"{one.path}: {one.message}" for one in errors[:_TOLD])
    more = f"; and {len(errors) - _TOLD:,} more" if len(errors) > _TOLD else ""
    command = "dsk bake" if target == OURS else "dsk export"
    aim, asked = (f" for {target}", f" --for {target}") if target else ("", "")
    return StateError(
        f"{Counted(len(errors), 'error')} in {WIP}{aim}: {first}{more}",
        hint=f"dsk lint{asked} {WIP} shows all; {command} --force goes on",
    )
