"""A rule's page as Markdown: what its module says, with its settings and what each trainer does."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Sequence
from functools import cache

import msgspec

from datakit.config import field_docs
from datakit.lint.engine import RULES
from datakit.lint.model import Rule
from datakit.lint.severities import Severity
from datakit.lint.targets.model import TARGETS

_FIXES = {"none": "no fix", "safe": "a safe fix", "unsafe": "an unsafe fix"}


def page_of(rule: Rule) -> str:
    """The whole page of a rule."""
    parts = [f"# {rule.code} {rule.name}", facts_of(rule), doc_of(rule.name)]
    if rule.options is not None:
        parts.append(_options(rule.name, rule.options))
    if rule.effects:
        parts.append(f"## What trainers do\n\n{_effects(rule)}")
    return "\n\n".join(parts) + "\n"


def doc_of(name: str) -> str:
    """What the module of a rule says; '' where no rule has this name."""
    module = name.replace("-", "_")
    if module not in RULES.files:
        return ""
    RULES.load(module)
    return inspect.cleandoc(sys.modules[f"{RULES.package}.{module}"].__doc__ or "")


def summary_of_rule(rule: Rule) -> str:
    """What it finds, in one sentence."""
    return doc_of(rule.name).partition("\n")[0]


def facts_of(rule: Rule) -> str:
    """Group, severity by stage, kind of fix: one paragraph."""
    words = [f"Group {rule.group}", severities_of(rule), _FIXES[rule.fix_safety]]
    if rule.last_only:
        words.append("only in the last stage that has items, or in those that are named")
    if rule.needs_target:
        words.append("only with `--for` one of the trainers below")
    if rule.preview:
        words.append("in preview: runs with `--preview`, or selected by code or name")
    return "; ".join(words) + "."


def severities_of(rule: Rule) -> str:
    """`warning in raw and filtered, error in edited`: the stages of each severity."""
    by_level: dict[Severity, list[str]] = {}
    for stage in rule.stages:
        level = rule.severity_in.get(stage, rule.severity)
        by_level.setdefault(level, []).append(stage or "any folder")
    return ", ".join(f"{level} in {_joined(stages)}" for level, stages in by_level.items())


@cache
def titles() -> dict[str, str]:
    """Trainer → its name as its users write it, in the order of the reference."""
    return {target.name: target.title for target in TARGETS.all()}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; bars and line ends in cells do no harm."""
    lines = (f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)
    return "\n".join([f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *lines])


def literal(value: object) -> str:
    """A setting's value as dsk.toml has it."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {literal(one)}' for key, one in value.items())}}}"
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()


def _options(name: str, kind: type[msgspec.Struct]) -> str:
    docs = field_docs(kind)
    rows = [
        (f"`{field.encode_name}`", f"`{literal(_default(field))}`", docs[field.name])
        for field in msgspec.structs.fields(kind)
    ]
    return f"In dsk.toml, `[lint.rules.{name}]`:\n\n{table(('key', 'default', ''), rows)}"


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else ""


def _effects(rule: Rule) -> str:
    rows = (
        (titles().get(name, name), effect.level, effect.what, f"`{effect.source}`" if effect.source else "")
        for name, effect in sorted(rule.effects.items())
    )
    return table(("trainer", "with `--for`", "what it does", "source"), rows)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
