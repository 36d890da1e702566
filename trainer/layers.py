"""What a run's TOML is put together from: a preset, the file, and what was said with `--set`; later ones win.

Each layer is plain tables, checked by itself, so that an error can name where the wrong key stands.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer.errors import ConfigError

Tables = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """Some of a run's settings, and where they stand."""

    source: str
    """For messages: a path, `preset sdxl-style`, `--set train.steps=9`."""
    tables: Tables
    is_preset: bool = False


_RIVALS = (("train.steps", "train.epochs"), ("dataset.config", "dataset.train_dir"))
"""Of each pair a run has one: who names one later takes back the other."""
_ANOTHER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("optimizer.name", ("optimizer",)),
    (
        "adapter.name",
        ("adapter", "optimizer.text_encoder_rate", "optimizer.text_encoder_2_rate", "optimizer.lora_plus"),
    ),
)
"""What a preset says of one kind, numbers above all, is wrong for another kind, and falls away with it."""
_WITHOUT_TEXT = ("optimizer.text_encoder_rate", "optimizer.text_encoder_2_rate")


def of_set(text: str) -> Layer:
    """One `--set key=value`; the value as TOML has it, and what is no TOML as a text. Raises ConfigError."""
    key, sign, value = text.partition("=")
    key, value = key.strip(), value.strip()
    source = f"--set {text}"
    if not sign or "." not in key or "\n" in key:
        raise ConfigError(
            f"{source}: is not of the form section.key=value", hint="write --set optimizer.learning_rate=1e-4"
        )
    for written in (value, json.dumps(value)):
        try:
            tables = tomllib.loads(f"{key} = {written}")
        except tomllib.TOMLDecodeError:
            continue
        if _is_one(tables, written):
            return Layer(source, tables)
    raise ConfigError(f"{source}: {key!r} is not a key", hint="write --set optimizer.learning_rate=1e-4")


def as_text(layer: Layer) -> Layer:
    """The same `--set` with its value as a text: 2026 may be a name."""
    key, _, value = layer.source.removeprefix("--set ").partition("=")
    return Layer(layer.source, tomllib.loads(f"{key.strip()} = {json.dumps(value.strip())}"))


def merged(layers: Sequence[Layer]) -> Tables:
    """All tables in one; tables within a section are merged too, lists and values replaced."""
    made: Tables = {}
    for place, layer in enumerate(layers):
        own = layer.tables
        if layer.is_preset:
            own = _without(own, _fallen(own, layers[place + 1 :]))
        made = _over(_without(made, _taken_back(layer.tables)), own)
    return made


def origin(layers: Sequence[Layer], *keys: str) -> str:
    """Where the named keys were last set, for messages; empty where they were not."""
    found = (next((one.source for one in reversed(layers) if has(one.tables, key)), "") for key in keys)
    return " and ".join(dict.fromkeys(filter(None, found)))


def has(tables: Mapping[str, Any], key: str) -> bool:
    """Whether the tables hold the dotted key."""
    return value_at(tables, key) is not None


def value_at(tables: Mapping[str, Any], key: str) -> Any:
    """What stands at the dotted key, or None."""
    value: Any = tables
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _is_one(tables: Tables, written: str) -> bool:
    """Whether the text set one key only: a value with a line break could have set more."""
    value: Any = tables
    wanted = tomllib.loads(f"value = {written}")
    while isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
        if value == wanted.get("value"):
            return len(wanted) == 1
    return False


def _taken_back(tables: Tables) -> list[str]:
    found = []
    for one, other in _RIVALS:
        if has(tables, one) != has(tables, other):
            found.append(other if has(tables, one) else one)
    return found


def _fallen(preset: Tables, later: Sequence[Layer]) -> list[str]:
    """The keys of a preset that later layers leave no place for."""
    found: list[str] = []
    for key, keys in _ANOTHER:
        asked = [value_at(layer.tables, key) for layer in later if has(layer.tables, key)]
        if asked and asked[-1] != _kind(preset, key):
            found += keys
    if any(value_at(layer.tables, "adapter.text_targets") == "none" for layer in later):
        found += _WITHOUT_TEXT
    return found


def _kind(preset: Tables, key: str) -> str:
    """What the preset is meant for where it does not say: the usual kind."""
    return value_at(preset, key) or {"optimizer.name": "adamw", "adapter.name": "lora"}[key]


def _over(lower: Tables, upper: Mapping[str, Any]) -> Tables:
    made = dict(lower)
    for key, value in upper.items():
        below = made.get(key)
        made[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return made


def _without(tables: Tables, keys: Iterable[str]) -> Tables:
    made = dict(tables)
    for key in keys:
        section, _, name = key.partition(".")
        if name and isinstance(made.get(section), dict):
            made[section] = {own: value for own, value in made[section].items() if own != name}
        elif not name:
            made.pop(section, None)
    return made
