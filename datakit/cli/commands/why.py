"""dsk why."""

from pathlib import Path

import click

from datakit.actions.explaining import Explanation, Verdict, explain
from datakit.actions.project import open_project
from datakit.cli.output import say, say_json, table, when
from datakit.model.provenance import Doer
from datakit.repo.items import typed


@click.command("why")
@click.argument("item", metavar="ITEM")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(item: str, as_json: bool) -> None:
    """Show for each stage why an item is there, or why it is not: which rule, which operation, which person.

    It may be an item that is no more: then the operation that removed it is named, and dsk restore brings it back.
    """
    found = explain(open_project(Path.cwd()), item)
    if as_json:
        say_json(found)
        return
    say(found.key + _origin(found))
    table(("stage", "", "why"), ((_stage(one), _standing(one), _why(one)) for one in found.stages))
    for line in _next(found):
        say(line)


def _origin(found: Explanation) -> str:
    """Of an item that is a part of another's image."""
    if found.taken_from is None:
        return ""
    x, y, width, height = found.taken_from.crop_px
    old, now = found.taken_from.item, found.taken_from.now
    changed = "" if now == old else f" (called {now} now)" if now else " (which is no more)"
    return f": {width} x {height} px at {x}, {y} of {old}{changed}"


def _stage(verdict: Verdict) -> str:
    return f"{verdict.stage} {verdict.format}".rstrip()


def _standing(verdict: Verdict) -> str:
    return {"kept": "there", "added": "there", "never": "not there"}.get(verdict.standing, verdict.standing)


def _why(verdict: Verdict) -> str:
    parts = [_cause(verdict), *(f"flagged by {flag.rule}: {flag.reason}" for flag in verdict.flags)]
    if verdict.has_conflict:
        parts.append("in conflict: a person and its source both changed it")
    if verdict.stale and verdict.standing != "waiting":
        parts.append(f"{verdict.stage} must run again: {verdict.stale}")
    return "; ".join(filter(None, parts))


def _cause(verdict: Verdict) -> str:
    rule = f"{verdict.rule}: {verdict.reason}" + _evidence(verdict)
    by = _by(verdict.operation) if verdict.operation else ""
    match verdict.standing:
        case "there":
            return verdict.path
        case "kept":
            return f"kept {by}, although {rule}".replace("  ", " ")
        case "added":
            return f"put there {by}".rstrip()
        case "dropped":
            return rule
        case "removed":
            return (f"{verdict.reason}: " if verdict.reason else "") + by.removesuffix(f": {verdict.reason}")
        case "deleted":
            return "by hand, not committed yet"
        case "waiting":
            return f"{verdict.stage} must run first: {verdict.stale}"
        case "never":
            return verdict.reason or "the history of this branch never had it here"
        case "left out":
            return "the format left it out"
        case _:
            return verdict.reason


def _evidence(verdict: Verdict) -> str:
    rows = ", ".join(f"{name} {value}" for name, value in verdict.evidence.items())
    return f" ({rows})" if rows else ""


def _by(operation: Doer) -> str:
    return f"by {operation.author}, {when(operation.time)}, {operation.commit[:10]} {operation.subject}"


def _next(found: Explanation) -> list[str]:
    """What a person can do about it."""
    if found.renamed_to:
        return [f"it is called {found.renamed_to} now: dsk why {typed(found.renamed_to)}"]
    name = typed(found.key)
    lines = []
    if found.is_missing:
        lines.append("no stage has it")
    if found.can_restore:
        lines.append(f"dsk restore {name} brings it back")
    if any(one.standing == "dropped" for one in found.stages):
        lines.append(f"dsk keep {name} overrules the rule")
    has_conflict = any(one.has_conflict for one in found.stages)
    if has_conflict:
        lines.append(f"dsk keep {name} keeps yours, dsk keep --theirs {name} takes what its source became")
    if any(one.stale for one in found.stages):
        then = "then dsk advance" if has_conflict else "dsk advance"
        lines.append(f"{then} runs what must run again")
    return lines
