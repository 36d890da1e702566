"""dsk rule."""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec

from datakit.cli.output import say_block, say_json, show, table
from datakit.errors import UsageError
from datakit.lint.engine import RULES
from datakit.lint.model import Rule
from datakit.lint.pages import doc_of, page_of, severities_of, summary_of_rule
from datakit.lint.selection import check_words


@click.command("rule")
@click.argument("word", required=False, default="", metavar="[CODE | NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(word: str, as_json: bool) -> None:
    """List the lint rules, or explain one: what it finds, why that is bad, what each trainer does, and the cure.

    Part of a code or a group (T01, images) lists the rules that it names.
    """
    rules = sorted(RULES.all(), key=lambda rule: rule.code)
    found = _found(word, rules) if word else rules
    if len(found) == 1 and word in (found[0].name, found[0].code, found[0].code.lower()):
        _explain(found[0], as_json=as_json)
    elif as_json:
        say_json([_as_json(rule) for rule in found])
    else:
        table(("code", "rule", "severity", "fix", "", "finds"), [_row(rule) for rule in found])


def _found(word: str, rules: list[Rule]) -> list[Rule]:
    from datakit.lint.selection import closeness

    check_words([word], rules)
    found = [rule for rule in rules if closeness(rule, word) is not None]
    if not found:
        raise UsageError(f"no lint rule '{word}'", hint="dsk rule lists them all")
    return found


def _explain(rule: Rule, *, as_json: bool) -> None:
    if as_json:
        say_json({**_as_json(rule), "page": doc_of(rule.name)})
    elif sys.stdout.isatty():
        from rich.markdown import Markdown

        show(Markdown(page_of(rule), hyperlinks=False))
    else:
        say_block(page_of(rule).rstrip("\n"))


def _row(rule: Rule) -> tuple[str, ...]:
    notes = (*(["preview"] if rule.preview else ()), *(["with --for"] if rule.needs_target else ()))
    fix = "" if rule.fix_safety == "none" else rule.fix_safety
    return rule.code, rule.name, rule.severity, fix, ", ".join(notes), summary_of_rule(rule)


def _as_json(rule: Rule) -> dict[str, Any]:
    return {
        "code": rule.code,
        "name": rule.name,
        "group": rule.group,
        "summary": summary_of_rule(rule),
        "severity": rule.severity,
        "severity_in": rule.severity_in,
        "severities": severities_of(rule),
        "stages": [stage or "folder" for stage in rule.stages],
        "last_only": rule.last_only,
        "fix_safety": rule.fix_safety,
        "preview": rule.preview,
        "needs_target": rule.needs_target,
        "effects": {name: msgspec.to_builtins(effect) for name, effect in rule.effects.items()},
    }
