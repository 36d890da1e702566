"""dsk bake --from-sd-scripts: an existing user's configuration, taken over into dsk.toml.

The trainer knows sd-scripts' options and says what becomes of each. What its dataset TOML says goes into
[export.kohya] where our export writes it, into [bake.dataset.general] where it does not, and stays behind where it is
said for each folder.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.bakes.asking import RIVALS
from datakit.actions.bakes.comparing import flat
from datakit.actions.project import BAKE, Project
from datakit.actions.trainerprogram import FORMAT, OURS, ask_trainer
from datakit.config import CONFIG_NAME, read_toml
from datakit.errors import ConfigError, StateError, TrainerError
from datakit.exports.asking import read_asked
from datakit.exports.expressing import some
from datakit.model.order import EXPORT
from datakit.repo.operations.transaction import transaction

_EXPORTED: Final = frozenset(
    {
        *("resolution", "batch_size", "enable_bucket", "bucket_no_upscale", "bucket_reso_steps", "min_bucket_reso"),
        *("max_bucket_reso", "shuffle_caption", "keep_tokens", "keep_tokens_separator", "caption_dropout_rate"),
        *("caption_tag_dropout_rate", "flip_aug", "validation_split"),
    }
)
"""Of a dataset TOML, what our export writes, so that it is its settings that decide."""
_OF_FOLDERS: Final = frozenset(
    {"image_dir", "metadata_file", "caption_extension", "cache_info", "conditioning_data_dir"}
)
"""Of a dataset TOML, what names the files: dsk has its own."""
_REPEATS: Final = "num_repeats"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One option of sd-scripts, and what becomes of it."""

    option: str
    value: Any = None
    ours: str = ""
    """The key in dsk.toml; '' where there is none."""
    kind: str = ""
    """taken; otherwise: taken, with a difference; not taken; no effect."""
    remark: str = ""


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the trainer says."""

    config: dict[str, Any]
    rows: tuple[Row, ...] = ()
    dataset: dict[str, Any] | None = None
    """A dataset TOML that lay in the configuration itself."""


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken over."""

    rows: tuple[Row, ...]
    tables: dict[str, Any]
    """What dsk.toml says now, of what was taken over."""
    commit: str
    """'' where all of it was there."""
    is_exported_otherwise: bool = False
    """Whether the export must be written again."""


def adopt(project: Project, config: Path, *, dataset: Path | None = None, force: bool = False) -> Adopted:
    """Take sd-scripts' settings over into dsk.toml, as one operation.

    Raises:
        StateError: dsk.toml says something else of one of them, and there is no `force`.
        ConfigError: dsk.toml cannot be written into, or would be wrong.
        TrainerError: the trainer cannot read the file.
    """
    answer = _asked(config, dataset)
    tables, rows = _placed(answer, dataset)
    with transaction(project.dataset, BAKE, {"from_sd_scripts": config.name}) as txn:
        path = project.dataset.root / CONFIG_NAME
        text = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
        before = tomllib.loads(text)
        rivals = _rivals(before, tables)
        disputed = [*_disputed(before, tables), *rivals]
        if disputed and not force:
            raise StateError(
                f"{CONFIG_NAME} says something else already: {some(disputed)}",
                hint="--force writes over it; dsk undo takes that back",
            )
        new = with_tables(text, tables, without=rivals)
        after = tomllib.loads(new)
        read_asked(after.get(EXPORT, {}), FORMAT, bake=after.get(BAKE, {}))
        txn.put(CONFIG_NAME, new.encode())
        commit = txn.commit(f"bake: settings of {config.name}, by sd-scripts") or ""
    is_other = before.get(EXPORT) != after.get(EXPORT)
    return Adopted(rows=rows, tables=tables, commit=commit, is_exported_otherwise=is_other)


def _asked(config: Path, dataset: Path | None) -> _Answer:
    words = ["from-sd-scripts", str(config.absolute()), "--json"]
    words += ["--dataset", str(dataset.absolute())] if dataset else []
    said = ask_trainer(words)
    try:
        return msgspec.json.decode(said, type=_Answer)
    except msgspec.DecodeError as error:
        raise TrainerError(f"the trainer's answer cannot be read: {error}", hint="pip install -U dsk") from error


def _placed(answer: _Answer, dataset: Path | None) -> tuple[dict[str, Any], tuple[Row, ...]]:
    """(Tables of dsk.toml, rows): each setting where dsk has it."""
    bake = {name: dict(table) for name, table in answer.config.items() if isinstance(table, Mapping)}
    named = Path(str(bake.get("dataset", {}).get("config", "")))
    data = answer.dataset
    if data is None and (dataset or named.is_absolute()):
        data = read_toml(dataset or named)
    for section, keys in OURS.items():
        for key in keys:
            bake.get(section, {}).pop(key, None)
    of_data = list(_rows_of(data or {}))
    general = bake.setdefault("dataset", {}).pop("general", {}) | _taken(of_data)
    moved = {key: bake.get("train", {}).pop(key) for key in ("batch_size",) if key in bake.get("train", {})}
    moved |= {key: bake["dataset"].pop(key) for key in ("resolution",) if key in bake["dataset"]}
    general = moved | {key: value for key, value in general.items() if key not in _OF_FOLDERS}
    exported = {("repeats" if key == _REPEATS else key): value for key, value in general.items() if _is_exported(key)}
    bake["dataset"]["general"] = {key: value for key, value in general.items() if not _is_exported(key)}
    tables = {BAKE: _filled(bake), EXPORT: {FORMAT: exported}}
    rows = (*(_renamed(row) for row in answer.rows), *of_data)
    return _filled(tables), tuple(rows)


def _is_exported(key: str) -> bool:
    return key in _EXPORTED or key == _REPEATS


def _filled(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Without empty tables."""
    inner = {key: _filled(value) if isinstance(value, Mapping) else value for key, value in tables.items()}
    return {key: value for key, value in inner.items() if value != {}}


def _rows_of(data: Mapping[str, Any]) -> Iterator[Row]:
    """What becomes of each key of a dataset TOML; the innermost table that says it once for all decides."""
    sets = [one for one in data.get("datasets", []) if isinstance(one, Mapping)]
    subsets = [sub for one in sets for sub in one.get("subsets", []) if isinstance(sub, Mapping)]
    general = data.get("general", {})
    said = dict(general) if isinstance(general, Mapping) else {}
    for tables in (sets, subsets):
        names = {key for one in tables for key in one if key not in ("subsets", *_OF_FOLDERS)}
        for key in sorted(names):
            values = [one.get(key, said.get(key)) for one in tables]
            if all(value == values[0] for value in values):
                said[key] = values[0]
            else:
                said.pop(key, None)
                remark = f"said for each folder: [{EXPORT}.concepts.<name>] has repeats, loss_weight and class_tokens"
                yield Row(option=key, value="several", kind="not taken", remark=remark)
    for key, value in said.items():
        if key not in _OF_FOLDERS:
            yield Row(option=key, value=value, ours=_place(key), kind="taken")


def _taken(rows: list[Row]) -> dict[str, Any]:
    return {row.option: row.value for row in rows if row.kind == "taken"}


def _place(key: str) -> str:
    """Where a key of a dataset TOML stands in dsk.toml."""
    if _is_exported(key):
        return f"{EXPORT}.{FORMAT}.{'repeats' if key == _REPEATS else key}"
    return f"{BAKE}.dataset.general.{key}"


def _renamed(row: Row) -> Row:
    """A row of the trainer's, with the place that its setting has in dsk.toml."""
    section, _, key = row.ours.rpartition(".")
    if not row.ours:
        return row
    if key in OURS.get(section, ()) or (section == "dataset.general" and key in _OF_FOLDERS):
        remark = "dsk bakes its own export" if section.startswith("dataset") else "dsk names its bakes itself"
        return msgspec.structs.replace(row, ours="", kind="not taken", remark=remark)
    is_data = section == "dataset.general" or row.ours in ("train.batch_size", "dataset.resolution")
    return msgspec.structs.replace(row, ours=_place(key) if is_data else f"{BAKE}.{row.ours}")


def _rivals(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What is set and may not be beside what is wanted: steps beside epochs."""
    old, new = flat(before), flat(wanted)
    names = [f"{BAKE}.{'.'.join(one)}" for one in RIVALS]
    return [name for name in names if name in old and name not in new and new.keys() & set(names)]


def _disputed(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    old, new = flat(before), flat(wanted)
    return sorted(name for name in new if name in old and old[name] != new[name])


def with_tables(text: str, tables: Mapping[str, Any], *, without: Sequence[str] = ()) -> str:
    """dsk.toml with these tables laid over it, and `without` some keys; comments and everything else stay.

    Raises:
        ConfigError: it cannot be written into.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        meant: dict[str, Any] = tomllib.loads(text)
        _lay(meant, tables, without)
        document: Any = tomlkit.parse(text)
        _lay(document, tables, without)
        new = tomlkit.dumps(document)
        new = re.sub(r"(?<!\r)\n", "\r\n", new) if "\r\n" in text else new
        if tomllib.loads(new) == meant:
            return new
    except (TOMLKitError, ValueError, TypeError, AttributeError) as error:
        message = f"{CONFIG_NAME} cannot be written into: {error}"
        raise ConfigError(
            message, hint="take over by hand what the table shows: python -m trainer from-sd-scripts"
        ) from error
    raise ConfigError(
        f"{CONFIG_NAME} cannot be written into", hint="write [bake] as plain tables, such as [bake.train]"
    )


def _lay(place: Any, tables: Mapping[str, Any], without: Sequence[str] = ()) -> None:
    """Set each value where it belongs; tables are gone into, lists are set whole."""
    for name in without:
        *above, key = name.split(".")
        reduce(lambda inner, one: inner[one], above, place).pop(key)
    for name, value in tables.items():
        if isinstance(value, Mapping) and isinstance(place.get(name), Mapping):
            _lay(place[name], value)
        else:
            place[name] = _copied(value)


def _copied(value: Any) -> Any:
    """Tables of their own, so that laying twice shares nothing."""
    return {key: _copied(one) for key, one in value.items()} if isinstance(value, Mapping) else value
