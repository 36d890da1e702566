"""dsk allow: say in dsk.toml that findings of a rule are right as they are, and why."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from typing import Any

import msgspec

from datakit.actions.project import LINT, Counted, Project
from datakit.config import CONFIG_NAME
from datakit.errors import StateError, UsageError
from datakit.lint.engine import RULES
from datakit.lint.selection import check_words
from datakit.lint.settings import Allow
from datakit.repo.items import resolve
from datakit.repo.operations.transaction import transaction
from datakit.tags.query.matching import parse_where


class AllowedNow(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    commit: str
    """'' when it stood there already."""
    subject: str
    allow: Allow


def allowances(project: Project) -> tuple[Allow, ...]:
    """What dsk.toml allows, in its order."""
    return project.lint_settings.allow


def allow(project: Project, rule: str, items: Sequence[str] = (), *, where: str = "", reason: str) -> AllowedNow:
    """Add a table `[[lint.allow]]` as one operation.

    Raises:
        UsageError: no such rule or item, no reason, or items and a query at once.
        ConfigError: not a query that can be asked of one item.
        StateError: dsk.toml is written in a way that cannot be added to.
    """
    check_words([rule], list(RULES.all()))
    if not reason.strip():
        raise UsageError("why is it right?", hint='--reason "…": whoever lints next wants to know')
    if items and where:
        raise UsageError("items and --where at once", hint="name items, or a query that finds them")
    dataset = project.dataset
    if items:
        keys = dict.fromkeys(address.key for address in resolve(dataset, dataset.head_tree, items))
        where = " or ".join(f"item:{_quoted(key)}" for key in keys)
    if where:
        parse_where(where, where="--where")
    if any("\ud800" <= sign <= "\udfff" for sign in where + reason):
        raise UsageError("dsk.toml holds UTF-8 only, and this is not", hint="--where with a pattern finds such names")
    said = Allow(rule=rule, reason=reason.strip(), where=where)
    meant_for = f" for {Counted(len(items), 'item')}" if items else f" where {where}" if where else ""
    subject = f"allow: {rule}{meant_for}"
    if said in allowances(project):
        return AllowedNow(commit="", subject=f"{subject}: stands there already", allow=said)
    with transaction(dataset, "allow", {"rule": rule, "where": where, "reason": said.reason}) as txn:
        old = (dataset.root / CONFIG_NAME).read_bytes().decode("utf-8-sig")
        txn.put(CONFIG_NAME, _with(old, said).encode())
        commit = txn.commit(subject)
    return AllowedNow(commit=commit or "", subject=subject, allow=said)


def _quoted(key: str) -> str:
    return json.dumps(key, ensure_ascii=False)


def _with(text: str, said: Allow) -> str:
    """The settings with one more table; comments and order stay as they are.

    Raises:
        StateError: what was written is not what was meant.
    """
    fields = {name: value for name, value in msgspec.to_builtins(said).items() if value}
    rows = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    table = "\n".join(["[[lint.allow]]", *rows])
    end = "\r\n" if "\r\n" in text else "\n"
    new = f"{text.rstrip()}\n\n{table}\n".replace("\r\n", "\n").replace("\n", end)
    meant: dict[str, Any] = tomllib.loads(text)
    section = meant.setdefault(LINT, {})
    section["allow"] = [*section.get("allow", []), fields]
    try:
        is_meant = tomllib.loads(new) == meant
    except ValueError:
        is_meant = False
    if not is_meant:
        raise StateError(
            f"{CONFIG_NAME}: [[lint.allow]] cannot be added to", hint=f"write it yourself: {'; '.join(rows)}"
        )
    return new
