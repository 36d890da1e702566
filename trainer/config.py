"""The run's TOML: strict, typed, each field said in one sentence.

Relative paths are taken from the folder of the TOML itself.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from trainer.errors import ConfigError, TrainerError, nearest

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(ge=0.0)]
Seed = Annotated[int, Meta(ge=0, le=2**53)]


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[model]`: what is trained on."""

    family: str = "tiny"
    """Kind of base model."""
    base: str = ""
    """Folder of the base model; empty: random weights, decided by `seed`."""
    seed: Seed = 0
    """Decides the random weights where there is no base."""


class DatasetConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[dataset]`: which pictures."""

    config: str = "dataset.toml"
    """The dataset TOML, as sd-scripts reads it."""
    resolution: Count = 0
    """Used where the dataset TOML names no resolution; 0: the family's own."""
    cache: str = ""
    """Folder of cached latents; empty: `latents` in the output folder."""


class AdapterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[adapter]`: which weights are new."""

    name: str = "lora"
    """Kind of adapter."""
    rank: Positive = 8
    """Width of the bottleneck."""
    alpha: Annotated[float, Meta(gt=0.0)] = 8.0
    """The adapter's effect is multiplied by alpha / rank."""
    targets: str | tuple[str, ...] = "attention+mlp"
    """A preset of the family, or regular expressions of whole module paths such as `unet\\..*attn2\\.to_k`."""


class ObjectiveConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[objective]`: what the network learns to say."""

    name: str = "epsilon"
    """Kind of objective; must be the base model's."""


class OptimizerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[optimizer]`."""

    name: Literal["adamw"] = "adamw"
    """Kind of optimizer."""
    learning_rate: Annotated[float, Meta(gt=0.0)] = 1e-4
    """Size of a step."""
    weight_decay: Rate = 0.01
    """Share of each weight, times the learning rate, taken off per step."""
    max_grad_norm: Rate = 1.0
    """Gradients longer than this are shortened to it; 0: never."""


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[train]`: how long and how."""

    steps: Count = 0
    """Optimizer updates; 0: as many as `epochs` take."""
    epochs: Count = 0
    """Passes over all repeats; 0 with steps 0: ten."""
    batch_size: Positive = 1
    """Used where the dataset TOML names no batch_size."""
    gradient_accumulation: Positive = 1
    """Batches per optimizer update."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the network; the adapter and the optimizer are always fp32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto: the first GPU, else the CPU."""
    threads: Count = 0
    """CPU threads; 0: torch's own choice. Another number may change the last bits of the result."""
    seed: Seed = 0
    """Decides order, noise, timesteps, caption shuffling and the adapter's first weights."""
    save_every: Count = 0
    """Steps between checkpoints; 0: only at the end and when interrupted."""
    keep_last: Positive = 2
    """Checkpoints kept."""


class SampleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[sample]`: the pictures made before and after."""

    prompts: tuple[str, ...] = ()
    """One row of the grid each; empty: the first captions of the dataset."""
    negative: str = ""
    """What the pictures shall not be."""
    steps: Positive = 20
    """Sampler steps."""
    guidance: Rate = 5.0
    """Classifier-free guidance scale; 1 is none."""
    seed: Seed = 1
    """Decides the starting noise, per prompt."""
    size: tuple[Count, Count] = (0, 0)
    """Width and height in pixels; 0: the family's own."""
    every: Count = 0
    """Steps between grids while training; 0: only at the end."""


class OutputConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[output]`: where the results go."""

    dir: str = "output"
    """Folder of this run alone."""
    name: str = "lora"
    """File name of the adapter, without `.safetensors`."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole run."""

    model: ModelConfig = ModelConfig()
    dataset: DatasetConfig = DatasetConfig()
    adapter: AdapterConfig = AdapterConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()
    sample: SampleConfig = SampleConfig()
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
        raise error(f"{path}: is not valid TOML: {reason}", hint="strings need quotes, lists need commas") from None


def load(path: Path) -> Config:
    """Reads and checks a run's TOML; paths in the result are absolute. Raises ConfigError."""
    data = read_toml(path)
    _refuse_unknown(data, path)
    try:
        config = msgspec.convert(data, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_plain(str(error))}", hint="see `python -m trainer fields`") from None
    _refuse_contradictions(config, path)
    return _with_absolute_paths(config, path.absolute().parent)


def defaults() -> list[tuple[str, str, object, str]]:
    """Every field as (section, name, default, sentence), in order; what the reference page is made of."""
    rows = []
    for section in msgspec.structs.fields(Config):
        docs = _field_docs(section.type)
        rows += [
            (section.name, field.name, field.default, docs[field.name])
            for field in msgspec.structs.fields(section.type)
        ]
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


def _refuse_contradictions(config: Config, path: Path) -> None:
    if config.train.steps and config.train.epochs:
        raise ConfigError(f"{path}: train.steps and train.epochs are both set", hint="keep one of them")
    name = config.output.name
    if not name or name.startswith(".") or any(mark in name for mark in '/\\:*?"<>|\0'):
        raise ConfigError(f"{path}: output.name {name!r} is not a file name", hint="use letters, digits, - and _")
    if 0 in config.sample.size and any(config.sample.size):
        raise ConfigError(f"{path}: sample.size has one side only", hint="give both, or [0, 0]")


def _with_absolute_paths(config: Config, folder: Path) -> Config:
    def absolute(text: str) -> str:
        return os.path.normpath(folder / Path(text).expanduser()) if text else ""

    replace = msgspec.structs.replace
    return replace(
        config,
        model=replace(config.model, base=absolute(config.model.base)),
        dataset=replace(config.dataset, config=absolute(config.dataset.config), cache=absolute(config.dataset.cache)),
        output=replace(config.output, dir=absolute(config.output.dir)),
    )
