"""dsk.toml: strict, and every mistake named with its nearest right word."""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
from collections.abc import Collection, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from datakit.errors import ConfigError
from datakit.registry import nearest

CONFIG_NAME = "dsk.toml"
S = TypeVar("S", bound=msgspec.Struct)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises:
        ConfigError: not readable or not TOML; the message has the line.
    """
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="check the file's permissions") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name}: not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        hint = "correct that line; git diff shows what changed"
        raise ConfigError(f"{path.name}: not valid TOML: {error}", hint=hint) from error


def check_keys(table: Mapping[str, Any], known: Collection[str], *, where: str, hints: Mapping[str, str] = {}) -> None:
    """Refuse a key that is not in `known`; `hints` says of some keys where else they belong.

    Raises:
        ConfigError: names the key and the nearest known one.
    """
    for key in table:
        if key not in known:
            like = nearest(key, list(known))
            told = f"did you mean '{like}'?" if like else f"known here: {', '.join(sorted(known))}"
            raise ConfigError(f"{where}: unknown key '{key}'", hint=hints.get(key, told))


def decode(table: Mapping[str, Any], kind: type[S], *, where: str) -> S:
    """A settings struct from a TOML table.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type; names both.
    """
    _check_struct(table, kind, where=where)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}", hint=_cure(str(error), table, kind)) from error


def _cure(message: str, table: Mapping[str, Any], kind: Any) -> str:
    """What to write in the place of a value that msgspec refused; '' where it says so itself."""
    at = re.search(r"at `\$\.([^`]+)`$", message)
    path = re.sub(r"\[[^]]*\]", "", at[1]).split(".") if at else []
    value: Any = table
    for name in path:
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)} if _is_struct(kind) else {}
        kind, value = fields.get(name, kind), value.get(name) if isinstance(value, dict) else None
    if wrong := re.match(r"Invalid enum value '(.*)'", message):
        choices = _choices(kind)
        like = nearest(wrong[1], choices)
        return f"did you mean '{like}'?" if like else f"there are: {', '.join(choices)}" if choices else ""
    if message.startswith("Expected `array`, got `str`") and path:
        inside = value if isinstance(value, dict) else {path[-1]: value}
        return next((f'a list: {name} = ["{one}"]' for name, one in inside.items() if isinstance(one, str)), "")
    cures = {"Expected `int`, got `str`": "a number stands without quotation marks"}
    cures["Expected `float`, got `str`"] = cures["Expected `int`, got `str`"]
    cures["Expected `bool`, got "] = "true or false, without quotation marks"
    return next((cure for begin, cure in cures.items() if message.startswith(begin)), "")


def _choices(kind: Any) -> list[str]:
    """The words that a type allows, also of a list's members."""
    if get_origin(kind) is Literal:
        return [word for word in get_args(kind) if isinstance(word, str)]
    return [word for inner in get_args(kind) for word in _choices(inner)]


def inner_tables(kind: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """Key → struct of the settings that are tables of their own, such as `[filtered.too-small]`."""
    fields = msgspec.structs.fields(kind)
    return {field.encode_name: field.type for field in fields if _is_struct(field.type)}


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _check_struct(table: Mapping[str, Any], kind: type[msgspec.Struct], *, where: str) -> None:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    tables = inner_tables(kind)
    check_keys(table, fields, where=where, hints=_moved(table, fields, tables, where=where))
    for name, value in table.items():
        inner = fields[name]
        if name in tables:
            if not isinstance(value, dict):
                hint = f"write {_header(where, name)}"
                raise ConfigError(f"{where}: '{name}' is a table, not a value", hint=hint)
            _check_struct(value, tables[name], where=f"{where} {name}")
        elif isinstance(value, dict) and get_origin(inner) is dict and _is_struct(get_args(inner)[1]):
            for key, one in value.items():
                if isinstance(one, dict):
                    _check_struct(one, get_args(inner)[1], where=f"{where} {name}.{key}")


def _moved(
    table: Mapping[str, Any], fields: Collection[str], tables: Mapping[str, type[msgspec.Struct]], *, where: str
) -> dict[str, str]:
    """Unknown key → where it belongs, for those that stand beside their table, or misspell one."""
    found = {}
    for key in (key for key in table if key not in fields):
        owner = next((name for name, kind in tables.items() if key in kind.__struct_encode_fields__), "")
        like = nearest(key, list(fields))
        if owner:
            found[key] = f"it belongs to {_header(where, owner)}"
        elif like in tables:
            found[key] = f"did you mean {_header(where, like)}?"
    return found


def _header(where: str, name: str) -> str:
    """`dsk.toml [filtered]`, `too-small` → `[filtered.too-small]`."""
    section = where.partition("[")[2].partition("]")[0]
    return f"[{section}.{name}]" if section else f"[{name}]"


def digest(value: object) -> str:
    """16 hex digits that change when a settings value does."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:16]


def field_docs(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field → the sentence under it in the struct's source, which is its documentation everywhere.

    A struct that was put together from plugins' settings has no source: a field's documentation is its plugin's, the
    first paragraph.
    """
    import ast
    import inspect
    import textwrap

    fields = msgspec.structs.fields(kind)
    if fields and all(_is_struct(field.type) and field.type.__module__ != kind.__module__ for field in fields):
        pages = {field.name: sys.modules[field.type.__module__].__doc__ or "" for field in fields}
        return {name: " ".join(page.strip().partition("\n\n")[0].split()) for name, page in pages.items()}
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, below in pairwise(body.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            docs[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return docs
