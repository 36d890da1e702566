"""Reads a run's TOML, over a preset, and below what was said with `--set`.

Relative paths are taken from the folder of the TOML itself, those of `--set` too.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from trainer import embedded
from trainer.errors import ConfigError, TrainerError
from trainer.layers import Layer, merged, origin
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
from trainer.strict import checked_set, refuse_infinite, refuse_unknown, told

_OWN_FOLDERS = ("cache", "checkpoints", "samples", "tensorboard")
_FIELDS = "see `python -m trainer fields`"
_PRESET = "preset"
PRESET_SENTENCE = (
    "At the top of the file, above all sections: settings to begin with, by name or by style alone, such as character; "
    "see `python -m trainer presets`."
)


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


def read_text(path: Path, *, error: type[TrainerError] = ConfigError) -> str:
    """A text in UTF-8. Raises `error`, naming the file."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as reason:
        raise error(f"{path}: cannot be read ({reason.strerror})", hint="check the path and its permissions") from None
    except UnicodeDecodeError as reason:
        raise error(f"{path}: is not UTF-8 text (byte {reason.start})", hint="save it as UTF-8") from None


def read_toml(path: Path, *, error: type[TrainerError] = ConfigError) -> dict[str, Any]:
    """The TOML's tables. Raises `error`, naming file and line."""
    text = read_text(path, error=error)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        hint = "strings need quotes, lists need commas"
        if "\\" in str(reason):
            hint = "write paths with backslashes in single quotes: 'C:\\data'"
        raise error(f"{path}: is not valid TOML: {reason}", hint=hint) from None


def load(path: Path, *, sets: Sequence[str] = (), preset: str = "") -> Config:
    """Reads and checks a run's TOML; paths in the result are absolute. `preset` wins over the file's own.

    Raises ConfigError, and BaseModelError where a preset has to know the base and it cannot be read.
    """
    absolute = absolute_in(path.absolute().parent)
    layers = _layers(path, sets, preset=preset, absolute=absolute)
    try:
        config = msgspec.convert(merged(layers), Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {told(error)}", hint=_choices(error) or _FIELDS) from None
    _refuse_contradictions(config, lambda *keys: origin(layers, *keys) or str(path))
    return _with_absolute_paths(config, absolute)


def check(layer: Layer) -> Layer:
    """The layer, if every key is known and every value one that its key takes by itself. Raises ConfigError."""
    refuse_unknown(layer, Config)
    try:
        config = msgspec.convert(layer.tables, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{layer.source}: {told(error)}", hint=_choices(error) or _FIELDS) from None
    refuse_infinite(config, layer.source)
    return layer


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


def _layers(path: Path, sets: Sequence[str], *, preset: str, absolute: Callable[[str], str]) -> list[Layer]:
    data = read_toml(path)
    named = data.pop(_PRESET, "")
    if not isinstance(named, str):
        raise ConfigError(f"{path}: preset must be a text, not {named!r}", hint='write preset = "character"')
    own = [check(Layer(str(path), data)), *(checked_set(text, check) for text in sets)]
    if not (preset or named):
        return own
    from trainer.presets import choosing

    return [*map(check, choosing.layers(preset or named, merged(own), absolute)), *own]


def _choices(error: msgspec.ValidationError) -> str:
    """What the field can be, where it is one of a few words; else ''."""
    section, _, key = told(error).partition(":")[0].partition(".")
    kind = get_type_hints(get_type_hints(Config).get(section, object)).get(key)
    found = [str(word) for one in (kind, *get_args(kind)) if get_origin(one) is Literal for word in get_args(one)]
    if found and bool in get_args(kind):
        found += ["true", "false"]
    return f"one of {', '.join(found)}" if found else ""


def _refuse_contradictions(config: Config, where: Callable[..., str]) -> None:
    """`where` says in which layer the named keys stand."""
    name = config.output.name
    if not name or name.startswith(".") or any(mark in name for mark in '/\\:*?"<>|\0'):
        at = where("output.name")
        raise ConfigError(f"{at}: output.name {name!r} is not a file name", hint="use letters, digits, - and _")
    if name in _OWN_FOLDERS:
        at = where("output.name")
        raise ConfigError(f"{at}: output.name {name!r} is a folder of the run's own", hint="choose another name")
    for keys, is_wrong, message, hint in _contradictions(config):
        if is_wrong:
            raise ConfigError(f"{where(*keys)}: {message}", hint=hint)


def _contradictions(config: Config) -> list[tuple[tuple[str, ...], bool, str, str]]:
    """Keys, whether they do not go together, why, and the cure."""
    train, times, loss, size = config.train, config.timesteps, config.loss, config.sample.size
    data = config.dataset
    often = sum(often for often, _ in config.captions.levels)
    snr_scaled = loss.huber_scale != 1.0 and loss.huber_schedule == "snr"
    is_half = 0 in size and any(size)
    return [
        (
            ("train.steps", "train.epochs"),
            bool(train.steps and train.epochs),
            "train.steps and train.epochs are both set",
            "keep one of them",
        ),
        (
            ("timesteps.min", "timesteps.max"),
            times.min >= times.max,
            "timesteps.min is not below timesteps.max",
            "max is 1000 at most",
        ),
        (
            ("loss.huber_scale", "loss.huber_schedule"),
            snr_scaled,
            "loss.huber_scale means nothing with the schedule snr",
            'set huber_schedule = "constant"',
        ),
        (
            ("captions.levels",),
            often > 1.0,
            "captions.levels come to more than every draw",
            "let how often add up to 1",
        ),
        (("sample.size",), is_half, "sample.size has one side only", "give both, or [0, 0]"),
        (
            ("dataset.config", "dataset.train_dir"),
            bool(data.config and data.train_dir),
            "dataset.config and dataset.train_dir are both set",
            "keep one of them",
        ),
        (
            ("dataset.reg_dir",),
            bool(data.reg_dir and not data.train_dir),
            "dataset.reg_dir is set without dataset.train_dir",
            "in a dataset TOML, regularization pictures are a subset with is_reg = true",
        ),
    ]


def absolute_in(folder: Path) -> Callable[[str], str]:
    """Makes paths of it that a file in this folder names; what is empty stays so."""
    # Unlike Path.expanduser, it lets the home of nobody stand, which is then said not to be there.
    return lambda text: os.path.normpath(folder / os.path.expanduser(text)) if text else ""  # noqa: PTH111


def _with_absolute_paths(config: Config, absolute: Callable[[str], str]) -> Config:
    replace = msgspec.structs.replace
    return replace(
        config,
        model=replace(config.model, base=_base(config.model.base, absolute), vae=absolute(config.model.vae)),
        dataset=_dataset(config.dataset, absolute),
        sample=replace(config.sample, prompt_file=absolute(config.sample.prompt_file)),
        output=replace(config.output, dir=absolute(config.output.dir)),
    )


def _base(given: str, absolute: Callable[[str], str]) -> str:
    """The path of a base, or that of one which comes with the trainer; write `./name` for a folder of such a name."""
    own = embedded.path_of(given)
    return absolute(given) if own is None else str(own)


def _dataset(given: DatasetConfig, absolute: Callable[[str], str]) -> DatasetConfig:
    return msgspec.structs.replace(
        given,
        config=absolute(given.config or ("" if given.train_dir else "dataset.toml")),
        train_dir=absolute(given.train_dir),
        reg_dir=absolute(given.reg_dir),
        cache=absolute(given.cache),
    )
