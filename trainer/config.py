"""Reads a run's TOML.

Relative paths are taken from the folder of the TOML itself.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from trainer.errors import ConfigError, TrainerError, nearest
from trainer.run_sections import (
    EmaConfig,
    LogConfig,
    MemoryConfig,
    OptimizerConfig,
    OutputConfig,
    SampleConfig,
    ScheduleConfig,
    TrainConfig,
    ValidationConfig,
)
from trainer.sections import (
    AdapterConfig,
    CaptionsConfig,
    DatasetConfig,
    LossConfig,
    ModelConfig,
    NoiseConfig,
    ObjectiveConfig,
    RuleConfig,
    TextConfig,
    TimestepsConfig,
)

_OWN_FOLDERS = ("cache", "checkpoints", "samples")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole run."""

    model: ModelConfig = ModelConfig()
    text: TextConfig = TextConfig()
    dataset: DatasetConfig = DatasetConfig()
    captions: CaptionsConfig = CaptionsConfig()
    adapter: AdapterConfig = AdapterConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    timesteps: TimestepsConfig = TimestepsConfig()
    noise: NoiseConfig = NoiseConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    memory: MemoryConfig = MemoryConfig()
    ema: EmaConfig = EmaConfig()
    train: TrainConfig = TrainConfig()
    validation: ValidationConfig = ValidationConfig()
    sample: SampleConfig = SampleConfig()
    log: LogConfig = LogConfig()
    output: OutputConfig = OutputConfig()


def read_toml(path: Path, *, error: type[TrainerError] = ConfigError) -> dict[str, Any]:
    """The TOML's tables. Raises `error`, naming file and line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror})", hint="check the path and its permissions") from None
    except UnicodeDecodeError as reason:
        raise error(f"{path}: is not UTF-8 text (byte {reason.start})", hint="save it as UTF-8") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        hint = "strings need quotes, lists need commas"
        if "\\" in str(reason):
            hint = "write paths with backslashes in single quotes: 'C:\\data'"
        raise error(f"{path}: is not valid TOML: {reason}", hint=hint) from None


def load(path: Path) -> Config:
    """Reads and checks a run's TOML; paths in the result are absolute. Raises ConfigError."""
    data = read_toml(path)
    _refuse_unknown(data, path)
    try:
        config = msgspec.convert(data, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_plain(str(error))}", hint="see `python -m trainer fields`") from None
    _refuse_infinite(config, path)
    _refuse_contradictions(config, path)
    _refuse_two_datasets(config.dataset, path)
    return _with_absolute_paths(config, path.absolute().parent)


def defaults() -> list[tuple[str, str, object, str]]:
    """Every field as (section, name, default, sentence), in order; what the reference page is made of."""
    rows = []
    for section in msgspec.structs.fields(Config):
        rows += _rows(section.name, section.type)
        if section.type is AdapterConfig:
            rows += _rows("[adapter.rules]", RuleConfig)
    return rows


def _rows(section: str, struct: type) -> list[tuple[str, str, object, str]]:
    docs = _field_docs(struct)
    rows = []
    for field in msgspec.structs.fields(struct):
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        shown = "" if default is msgspec.NODEFAULT or default is None else default
        rows.append((section, field.name, shown, docs[field.name]))
    return rows


def _field_docs(struct: type) -> dict[str, str]:
    import ast
    import inspect
    import textwrap

    body = ast.parse(textwrap.dedent(inspect.getsource(struct))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(text, ast.Expr)
            docs[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return docs


def _refuse_unknown(data: dict[str, Any], path: Path) -> None:
    sections = {section.name: section.type for section in msgspec.structs.fields(Config)}
    for name, table in data.items():
        if name not in sections:
            raise ConfigError(f"{path}: unknown section [{name}]", hint=nearest(name, sections))
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} must be a section, [{name}]", hint=f"write [{name}] on its own line")
        known = [field.name for field in msgspec.structs.fields(sections[name])]
        for key in table:
            if key not in known:
                raise ConfigError(f"{path}: unknown key {key!r} in [{name}]", hint=nearest(key, known))


def _plain(message: str) -> str:
    text, _, where = message.partition(" - at `$.")
    return f"{where.rstrip('`')}: {text[:1].lower()}{text[1:]}".replace("`", "") if where else text


def _refuse_infinite(config: Config, path: Path) -> None:
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    for section, table in plain.items():
        for key, value in table.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{path}: {section}.{key} is {value}", hint="write a number that can be reached")


def _refuse_contradictions(config: Config, path: Path) -> None:
    if config.train.steps and config.train.epochs:
        raise ConfigError(f"{path}: train.steps and train.epochs are both set", hint="keep one of them")
    name = config.output.name
    if not name or name.startswith(".") or any(mark in name for mark in '/\\:*?"<>|\0'):
        raise ConfigError(f"{path}: output.name {name!r} is not a file name", hint="use letters, digits, - and _")
    if name in _OWN_FOLDERS:
        raise ConfigError(f"{path}: output.name {name!r} is a folder of the run's own", hint="choose another name")
    if config.timesteps.min >= config.timesteps.max:
        raise ConfigError(f"{path}: timesteps.min is not below timesteps.max", hint="max is 1000 at most")
    if config.loss.huber_scale != 1.0 and config.loss.huber_schedule == "snr":
        raise ConfigError(
            f"{path}: loss.huber_scale means nothing with the schedule snr", hint='set huber_schedule = "constant"'
        )
    if sum(often for often, _ in config.captions.levels) > 1.0:
        raise ConfigError(f"{path}: captions.levels come to more than every draw", hint="let how often add up to 1")
    if 0 in config.sample.size and any(config.sample.size):
        raise ConfigError(f"{path}: sample.size has one side only", hint="give both, or [0, 0]")


def _refuse_two_datasets(given: DatasetConfig, path: Path) -> None:
    if given.config and given.train_dir:
        raise ConfigError(f"{path}: dataset.config and dataset.train_dir are both set", hint="keep one of them")
    if given.reg_dir and not given.train_dir:
        raise ConfigError(
            f"{path}: dataset.reg_dir is set without dataset.train_dir",
            hint="in a dataset TOML, regularization pictures are a subset with is_reg = true",
        )


def _with_absolute_paths(config: Config, folder: Path) -> Config:
    def absolute(text: str) -> str:
        # Unlike Path.expanduser, it lets the home of nobody stand, which is then said not to be there.
        return os.path.normpath(folder / os.path.expanduser(text)) if text else ""  # noqa: PTH111

    replace = msgspec.structs.replace
    return replace(
        config,
        model=replace(config.model, base=absolute(config.model.base), vae=absolute(config.model.vae)),
        dataset=_dataset(config.dataset, absolute),
        output=replace(config.output, dir=absolute(config.output.dir)),
    )


def _dataset(given: DatasetConfig, absolute: Callable[[str], str]) -> DatasetConfig:
    return msgspec.structs.replace(
        given,
        config=absolute(given.config or ("" if given.train_dir else "dataset.toml")),
        train_dir=absolute(given.train_dir),
        reg_dir=absolute(given.reg_dir),
        cache=absolute(given.cache),
    )
