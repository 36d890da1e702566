"""A converted run as TOML, as JSON, and as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from trainer.atomic import write_file
from trainer.errors import WriteError
from trainer.migration.converting import DATASET, Converted
from trainer.migration.desk import Kind, Row

_TITLES: Final[dict[Kind, str]] = {
    "taken": "taken",
    "otherwise": "taken, with a difference",
    "not taken": "not taken",
    "no effect": "without effect",
}


def toml(made: Converted) -> str:
    """The run's TOML; where it needs a dataset TOML of its own, that one below, as a comment's worth of tables."""
    text = "\n".join(_tables(made.config))
    if made.dataset is None:
        return text
    return f"{text}\n# {DATASET}, which belongs beside it:\n" + "".join(
        f"# {line}\n" if line else "#\n" for line in _tables(made.dataset)
    )


def write(made: Converted, path: Path) -> None:
    """Writes the TOML, and its dataset TOML beside it. Raises WriteError where one is there already."""
    files = {path: "\n".join(_tables(made.config))}
    if made.dataset is not None:
        files[path.parent / made.config["dataset"]["config"]] = "\n".join(_tables(made.dataset))
    for file in files:
        if file.exists():
            raise WriteError(f"{file}: is there already", hint="choose another name for --out")
    for file, text in files.items():
        write_file(file, text.encode())


def as_json(made: Converted) -> dict[str, Any]:
    """`config` and `dataset` as tables, `toml` and `dataset_toml` as text, and `rows`."""
    return {
        "config": made.config,
        "toml": "\n".join(_tables(made.config)),
        "dataset": made.dataset,
        "dataset_toml": None if made.dataset is None else "\n".join(_tables(made.dataset)),
        "rows": [
            {"option": row.option, "value": row.value, "ours": row.ours, "kind": row.kind, "remark": row.remark}
            for row in made.rows
        ],
    }


def table(rows: Iterable[Row]) -> list[str]:
    """One line for each option, those that a person should read first."""
    lines: list[str] = []
    listed = list(rows)
    for kind in ("not taken", "otherwise", "taken", "no effect"):
        found = [row for row in listed if row.kind == kind]
        if not found:
            continue
        lines += [*([""] if lines else []), f"{_TITLES[kind]}:"]
        wide = [min(34, max(len(getattr(row, name)) for row in found)) for name in ("option", "value", "ours")]
        for row in found:
            cells = (row.option.ljust(wide[0]), row.value.ljust(wide[1]), row.ours.ljust(wide[2]), row.remark)
            lines.append("  " + "  ".join(cells).rstrip())
    return lines


def _tables(tables: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """Lines of TOML: values first, then tables, then lists of tables."""
    plain = {key: value for key, value in tables.items() if not _is_table(value) and not _is_tables(value)}
    yield from (f"{_key(key)} = {_value(value)}" for key, value in plain.items())
    for key, value in tables.items():
        inner = f"{name}.{_key(key)}" if name else _key(key)
        if _is_table(value):
            if any(not _is_table(one) and not _is_tables(one) for one in value.values()) or not value:
                yield from ("", f"[{inner}]")
            yield from _tables(value, inner)
        elif _is_tables(value):
            for one in value:
                yield from ("", f"[[{inner}]]")
                yield from _tables(one, inner)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(part) for part in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, int | float):
        return repr(value)
    # JSON's escapes are TOML's too, but for DEL, which TOML wants escaped.
    return msgspec.json.encode(str(value)).decode().replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    is_bare = name.replace("_", "").replace("-", "").isalnum() and name.isascii()
    return name if is_bare else _value(name)
