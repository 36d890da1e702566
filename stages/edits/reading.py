"""`[[edited.steps]]` of dsk.toml, as steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from datakit.config import decode
from datakit.errors import ConfigError, UsageError
from datakit.tags.query.matching import parse_where
from datakit.tags.query.parsing import EVERYTHING
from stages.edits.chain import Step
from stages.edits.model import EDITS, edit_named

_DO: Final = "do"
_WHERE: Final = "where"


def read_steps(tables: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """The steps, in their order; the query of each is still whole.

    Raises:
        ConfigError: a step that there is not, a setting that it has not, a wrong value, a query that is none; names
            the step by its number.
    """
    return tuple(_step(table, f"dsk.toml [[edited.steps]] {number}") for number, table in enumerate(tables, 1))


def _step(table: Mapping[str, Any], where: str) -> Step:
    name = table.get(_DO)
    if not isinstance(name, str):
        raise ConfigError(f"{where}: 'do' is missing", hint='such as do = "limit"; docs/edits.md lists all')
    try:
        edit = edit_named(name)
    except UsageError as error:
        known = [one.replace("_", "-") for one in EDITS.names() if not EDITS.load(one).is_always]
        hint = error.hint.replace("_", "-") if error.hint.startswith("did") else f"one of: {', '.join(known)}"
        raise ConfigError(f"{where}: no step '{name}'", hint=hint) from error
    if edit.is_always:
        raise ConfigError(f"{where}: '{name}' is done to every image before all steps", hint="leave this step out")
    query = table.get(_WHERE, "")
    if not isinstance(query, str):
        raise ConfigError(f"{where}: 'where' is a query", hint='such as where = "concept:aria rating:g"')
    own = {key: value for key, value in table.items() if key not in (_DO, _WHERE)}
    options = decode(own, edit.settings, where=f"{where} ({name})")
    return Step(edit=edit, options=options, where=parse_where(query, where=where) if query else EVERYTHING)
