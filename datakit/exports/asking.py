"""What is asked of a format, read from the tables of dsk.toml and the flags of a command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from datakit.config import CONFIG_NAME, check_keys, decode
from datakit.errors import UsageError
from datakit.exports.model import EXPORTS, Export
from datakit.exports.settings import Asked, Common, Flags, parse_balance
from datakit.model.order import COMPUTED, RAW, WIP
from datakit.registry import nearest

COMMON_KEYS: Final = tuple(field.encode_name for field in msgspec.structs.fields(Common))
NO_FLAGS: Final = Flags()
_EXPORT: Final = "export"
_CONCEPTS: Final = "concepts"


def read_asked(table: Mapping[str, Any], name: str, *, bake: Mapping[str, Any], flags: Flags = NO_FLAGS) -> Asked:
    """What is asked of format `name`; `table` is `[export]` with its inner tables.

    Raises:
        ConfigError: a mistake in `[export]` or `[export.<name>]`.
        UsageError: no such format, or a flag that says nothing.
    """
    kind = EXPORTS.load(name).settings
    shared = {key: value for key, value in table.items() if key in COMMON_KEYS}
    decode(shared, Common, where=f"{CONFIG_NAME} [{_EXPORT}]")
    where = f"{CONFIG_NAME} [{_EXPORT}.{name}]"
    given = table.get(name, {})
    given = dict(given) if isinstance(given, Mapping) else {}
    own_keys = [field.encode_name for field in msgspec.structs.fields(kind)]
    check_keys(given, [*own_keys, *COMMON_KEYS], where=where)
    own = {key: value for key, value in given.items() if key in own_keys}
    over = {key: value for key, value in given.items() if key not in own_keys}
    common = decode(_laid_over(shared, over), Common, where=where)
    if flags.stage and flags.stage not in (RAW, *COMPUTED):
        like = nearest(flags.stage, [RAW, *COMPUTED])
        told = f"did you mean '{like}'?" if like else f"one of: {', '.join((RAW, *COMPUTED))}"
        raise UsageError(f"no stage '{flags.stage}' to export", hint=told)
    if flags.balance:
        common = msgspec.structs.replace(common, balance=_balance(flags.balance))
    return Asked(common=common, own=decode(own, kind, where=where), bake=dict(bake), flags=flags)


def words_of(flags: Flags) -> str:
    """Flags as they were typed, each with a space before it."""
    said = {"where": flags.where, "stage": flags.stage, "balance": flags.balance, "with-config": flags.config}
    words = [f" --{name} {shlex.quote(value)}" for name, value in said.items() if value]
    return "".join(words) + (f" --vram {flags.vram_gb}" if flags.vram_gb else "")


def _laid_over(shared: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one format over those of all; concepts one by one, and each key by key."""
    found = {**shared, **over}
    below, above = shared.get(_CONCEPTS), over.get(_CONCEPTS)
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        both = {**below, **above}
        found[_CONCEPTS] = {
            concept: {**below.get(concept, {}), **above[concept]}
            if isinstance(above.get(concept), Mapping)
            else settings
            for concept, settings in both.items()
        }
    return found


def _balance(text: str) -> str:
    try:
        parse_balance(text)
    except ValueError as error:
        raise UsageError(str(error), hint="--balance concepts, --balance tags, --balance images=200") from error
    return text


def source_stage(flags: Flags) -> str:
    """Whose images and captions are exported."""
    return flags.stage or WIP


def asks_records(export: Export, asked: Asked) -> bool:
    """Whether what is written depends on records, beside images and captions."""
    common = asked.common
    return bool(export.needs_records(asked.own) or asked.flags.where or common.weights or common.validation_split)
