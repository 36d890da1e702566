"""dsk bake --from-sd-scripts: an existing user's configuration, taken over into [bake] of dsk.toml.

The trainer knows sd-scripts' options and says what becomes of each; here the answer is shown and written down.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.bakes.comparing import flat
from datakit.actions.project import BAKE, PRESET, Project
from datakit.actions.trainerprogram import PLACES, ask_trainer
from datakit.config import CONFIG_NAME
from datakit.errors import ConfigError, StateError, TrainerError
from datakit.exports.expressing import some
from datakit.repo.operations.transaction import transaction

_OURS: Final = {"dataset": ("config", "cache", "train_dir", "reg_dir"), "output": ("dir", "name")}
"""What is not a person's to set in [bake]: dsk bakes its own export, and lists the results."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One option of sd-scripts, and what becomes of it."""

    option: str
    value: Any = None
    becomes: str = ""
    """`section.key = value`; '' where nothing does."""
    remark: str = ""
    kind: str = ""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the trainer says."""

    config: dict[str, Any]
    rows: tuple[Row, ...] = ()
    dataset: Any = None


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken over."""

    rows: tuple[Row, ...]
    config: dict[str, Any]
    """What [bake] says now, of what was taken over."""
    commit: str
    """'' where all of it was there."""


def adopt(project: Project, config: Path, *, dataset: Path | None = None, force: bool = False) -> Adopted:
    """Take sd-scripts' settings over into dsk.toml, as one operation.

    Raises:
        StateError: dsk.toml says something else of one of them, and there is no `force`.
        TrainerError: the trainer cannot read the file.
    """
    answer = _asked(config, dataset)
    tables = _wanted(answer.config, config.absolute().parent)
    with transaction(project.dataset, BAKE, {"from_sd_scripts": config.name}) as txn:
        path = project.dataset.root / CONFIG_NAME
        text = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
        disputed = _disputed(tomllib.loads(text).get(BAKE, {}), tables)
        if disputed and not force:
            raise StateError(
                f"{CONFIG_NAME} [{BAKE}] says something else already: {some(disputed)}",
                hint="--force writes over it; dsk undo takes that back",
            )
        txn.put(CONFIG_NAME, with_tables(text, tables).encode())
        commit = txn.commit(f"bake: settings of {config.name}, by sd-scripts") or ""
    return Adopted(rows=answer.rows, config=tables, commit=commit)


def _asked(config: Path, dataset: Path | None) -> _Answer:
    words = ["from-sd-scripts", str(config.absolute()), "--json"]
    words += ["--dataset", str(dataset.absolute())] if dataset else []
    said = ask_trainer(words)
    try:
        return msgspec.json.decode(said, type=_Answer)
    except msgspec.DecodeError as error:
        raise TrainerError(f"the trainer's answer cannot be read: {error}", hint="pip install -U dsk") from error


def _wanted(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The tables without what is ours to set; files by paths that hold wherever the dataset lies."""
    tables: dict[str, Any] = {}
    for name, table in config.items():
        if not isinstance(table, Mapping):
            if name == PRESET:
                tables[name] = table
            continue
        kept = {key: value for key, value in table.items() if key not in _OURS.get(name, ())}
        if kept:
            tables[name] = kept
    for section, key in PLACES:
        if given := tables.get(section, {}).get(key):
            tables[section][key] = str(folder / Path(given).expanduser())
    return tables


def _disputed(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    old, new = flat(before), flat(wanted)
    return sorted(name for name in new if name in old and old[name] != new[name])


def with_tables(text: str, tables: Mapping[str, Any]) -> str:
    """dsk.toml with [bake] laid under these tables; comments and everything else stay.

    Raises:
        ConfigError: it cannot be written into.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        meant: dict[str, Any] = tomllib.loads(text)
        _lay(meant.setdefault(BAKE, {}), tables)
        document: Any = tomlkit.parse(text)
        if BAKE not in document:
            document[BAKE] = tomlkit.table(is_super_table=True)
        _lay(document[BAKE], tables)
        new = tomlkit.dumps(document)
        new = re.sub(r"(?<!\r)\n", "\r\n", new) if "\r\n" in text else new
        if tomllib.loads(new) == meant:
            return new
    except (TOMLKitError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{CONFIG_NAME}: [{BAKE}] cannot be written into: {error}", hint="write it by hand"
        ) from error
    raise ConfigError(f"{CONFIG_NAME}: [{BAKE}] cannot be written into", hint="write it as plain tables, [bake.train]")


def _lay(place: Any, tables: Mapping[str, Any]) -> None:
    """Set each value where it belongs; tables are gone into, lists are set whole."""
    for name, value in tables.items():
        if isinstance(value, Mapping) and isinstance(place.get(name), Mapping):
            _lay(place[name], value)
        else:
            place[name] = value
