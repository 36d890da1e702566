"""dsk.toml: strict, and every mistake named with its nearest right word."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

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


def check_keys(table: Mapping[str, Any], known: list[str], *, where: str) -> None:
    """Refuse a key that is not in `known`.

    Raises:
        ConfigError: names the key and the nearest known one.
    """
    for key in table:
        if key not in known:
            like = nearest(key, known)
            hint = f"did you mean '{like}'?" if like else f"known here: {', '.join(sorted(known))}"
            raise ConfigError(f"{where}: unknown key '{key}'", hint=hint)


def decode(table: Mapping[str, Any], kind: type[S], *, where: str) -> S:
    """A settings struct from a TOML table.

    Raises:
        ConfigError: an unknown key, or a value of the wrong type; names both.
    """
    _check_struct(table, kind, where=where)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from error


def _check_struct(table: Mapping[str, Any], kind: type[msgspec.Struct], *, where: str) -> None:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    check_keys(table, list(fields), where=where)
    for name, value in table.items():
        inner = fields[name]
        if not isinstance(value, dict):
            continue
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            _check_struct(value, inner, where=f"{where} {name}")
        elif get_origin(inner) is dict and issubclass(get_args(inner)[1], msgspec.Struct):
            for key, table in value.items():
                if isinstance(table, dict):
                    _check_struct(table, get_args(inner)[1], where=f"{where} {name}.{key}")


def digest(value: object) -> str:
    """16 hex digits that change when a settings value does."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:16]


def field_docs(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field → the sentence under it in the struct's source, which is its documentation everywhere."""
    import ast
    import inspect
    import textwrap

    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, below in pairwise(body.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            docs[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return docs
