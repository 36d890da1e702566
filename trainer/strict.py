"""Tables of a TOML held against the struct that they are to become: what is unknown, infinite or ill-typed is told."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from trainer.errors import ConfigError, nearest
from trainer.layers import Layer, as_text, of_set


def refuse_unknown(layer: Layer, whole: type[msgspec.Struct]) -> None:
    """Raises ConfigError where a section or a key of the layer is none of the struct of sections."""
    sections = {section.name: section.type for section in msgspec.structs.fields(whole)}
    for name, table in layer.tables.items():
        if name not in sections:
            raise ConfigError(f"{layer.source}: unknown section [{name}]", hint=nearest(name, sections))
        if not isinstance(table, dict):
            raise ConfigError(
                f"{layer.source}: {name} must be a section, [{name}]", hint=f"write [{name}] on its own line"
            )
        known = [field.name for field in msgspec.structs.fields(sections[name])]
        for key in table:
            if key not in known:
                raise ConfigError(f"{layer.source}: unknown key {key!r} in [{name}]", hint=nearest(key, known))


def refuse_infinite(config: msgspec.Struct, source: str) -> None:
    """Raises ConfigError where a number of a section is infinite, or none; `source` is for the message."""
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    for section, table in plain.items():
        for key, value in table.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{source}: {section}.{key} is {value}", hint="write a number that can be reached")


def checked_set(text: str, check: Callable[[Layer], Layer]) -> Layer:
    """One `--set key=value` as `check` lets it pass: as TOML has the value, else as a text. Raises ConfigError."""
    layer = of_set(text)
    try:
        return check(layer)
    except ConfigError as error:
        try:
            return check(as_text(layer))
        except ConfigError:
            raise error from None


def told(error: msgspec.ValidationError) -> str:
    """The same with the field first, as a TOML has it."""
    text, _, where = str(error).partition(" - at `$.")
    return f"{where.rstrip('`')}: {text[:1].lower()}{text[1:]}".replace("`", "") if where else text
