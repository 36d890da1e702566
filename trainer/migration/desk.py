"""Where a foreign configuration is taken apart: what was given, what becomes of it, and what was said of each."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from trainer.config import Config
from trainer.migration.options import OPTIONS, read

Kind = Literal["taken", "otherwise", "not taken", "no effect"]
Script = Literal["network", "finetune", "dreambooth", "word"]
SECRET: Final = frozenset({"wandb_api_key", "huggingface_token"})
"""Never shown and never written."""
UNSAID: Final = "(not given)"


@dataclass(frozen=True)
class Row:
    """What became of one option."""

    option: str
    value: str
    """As it was given, shortened."""
    ours: str
    """The key of our config, or empty."""
    kind: Kind
    """taken; otherwise: taken, with a difference; not taken; no effect: as ours does anyway, or as nothing does."""
    remark: str = ""


@dataclass
class Desk:
    """Options are read here, and their fates written down; who reads an option says what became of it."""

    given: Mapping[str, Any]
    script: Script
    is_sdxl: bool | None
    """None where nobody told."""
    config: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def __contains__(self, option: str) -> bool:
        return self.get(option) is not None

    def get(self, option: str, default: Any = None) -> Any:
        """The option's value, `default` where it is not given or cannot be understood."""
        try:
            value = read(option, self.given.get(option))
        except (ValueError, SyntaxError, TypeError):
            return default
        return default if value is None else value

    def put(self, ours: str, value: Any) -> None:
        """Sets a key of our config, `section.key` or `dataset.general.key`, if that takes the value."""
        if refusal(ours, value):
            return
        *sections, key = ours.split(".")
        table: dict[str, Any] = self.config
        for section in sections:
            table = table.setdefault(section, {})
        table[key] = value

    def take(self, option: str, ours: str, value: Any, remark: str = "") -> None:
        """Sets our key by an option; with a remark, there is a difference."""
        if problem := refusal(ours, value):
            self._row(option, "", "not taken", f"{ours}: {problem}")
            return
        self.put(ours, value)
        self._row(option, ours, "otherwise" if remark else "taken", remark)

    def note(self, option: str, kind: Kind, remark: str, ours: str = "") -> None:
        """Says what became of an option that sets nothing by itself. Of one that was not given nothing is said."""
        if option in self:
            self._row(option, ours, kind, remark)

    def default(self, option: str, value: object, ours: str, remark: str) -> None:
        """Says what follows from an option that was not given."""
        self.rows.append(Row(option, f"{UNSAID} {value}".rstrip(), ours, "otherwise", remark))

    def add(self, option: str, value: str, kind: Kind, *, ours: str = "", remark: str = "") -> None:
        """A row for what is no option of its own: one of network_args, a key of a GUI."""
        self.rows.append(Row(option, value, ours, kind, remark))

    def pairs(self, option: str) -> dict[str, Any]:
        """`key=value` words with their values as Python has them, as sd-scripts reads them."""
        found = {}
        for word in self.get(option, []):
            key, _, value = word.partition("=")
            found[key.strip().strip("'\"")] = _literal(value.strip())
        return found

    def unsaid(self) -> Iterator[str]:
        """Options that were given and of which nothing has been said."""
        said = {row.option for row in self.rows}
        for option, value in self.given.items():
            if option in OPTIONS and option not in said and value not in (None, False, "", [], {}):
                yield option

    def _row(self, option: str, ours: str, kind: Kind, remark: str) -> None:
        value = "***" if option in SECRET else shown(self.given.get(option))
        self.rows.append(Row(option, value, ours, kind, remark))


def refusal(ours: str, value: Any) -> str:
    """Why our key does not take the value; empty where it does."""
    section, *keys = ours.split(".")
    table: Any = value
    for key in reversed(keys):
        table = {key: table}
    try:
        msgspec.convert({section: table}, Config)
    except msgspec.ValidationError as error:
        return str(error).partition(" - at `")[0]
    return ""


def shown(value: object) -> str:
    """A value for the table, in one short line."""
    text = " ".join(str(part) for part in value) if isinstance(value, list) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _literal(text: str) -> Any:
    for written in (text, text.capitalize()):  # a GUI writes true
        try:
            value = ast.literal_eval(written)
        except (ValueError, SyntaxError):
            continue
        return list(value) if isinstance(value, tuple) else value
    return text
