"""A run before it begins: config, base, pictures, buckets and steps, checked without loading a model or torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from trainer import bases, contradictions
from trainer import config as config_file
from trainer.config import Config
from trainer.contracts.model import BaseHeader, Family, Layout, Prediction, TextRule
from trainer.data import captions, dataset_toml, folders, items
from trainer.data.captions import TagRule
from trainer.data.dataset_toml import Fallback, ImageSet
from trainer.data.items import Dataset, Item
from trainer.data.pixels import fixed_views
from trainer.data.sampler import Entry, num_batches
from trainer.errors import ConfigError, nearest
from trainer.memory import planning
from trainer.memory.estimate import Stay
from trainer.memory.planning import Settled
from trainer.registry import ADAPTERS, FAMILIES, OBJECTIVES, WEIGHTINGS
from trainer.sampling import prompts
from trainer.sampling.prompts import Prompt
from trainer.updates import table

_DEFAULT_EPOCHS = 10
_DEFAULT_PROMPTS = 4
_SILENT = Prediction()
_DECIDING = (
    *("model", "text", "captions", "adapter", "objective", "timesteps"),
    *("noise", "loss", "optimizer", "schedule", "memory", "ema", "train"),
)
"""Sections whose settings decide the weights."""
_NOT_DECIDING = {
    *("steps", "epochs", "device", "threads", "batch_size", "base", "vae"),
    *("save_every", "save_every_epochs", "save_every_minutes", "keep_last", "keep_results", "divergence"),
    *("vram", "checkpointing", "offload", "channels_last", "sharded", "compile"),
}
"""How long, where, how often and in how much memory; paths, batch size and resolution come in as digests."""


@dataclass(frozen=True)
class Plan:
    """A run that can begin."""

    path: Path
    config: Config
    family: Family
    base: BaseHeader | None
    prediction: Prediction
    """What the base's network says, as far as anybody told."""
    dataset: Dataset
    notes: tuple[str, ...]
    """What a person should know before it begins, one sentence each."""
    batches_per_epoch: int
    steps_per_epoch: int
    steps: int
    processes: int = 1
    """How many share the work."""
    reasons: tuple[str, ...] = ()
    """Why memory is used so, a line per choice."""

    @property
    def objective(self) -> str:
        """Name of the objective: as asked for, else the base's, else epsilon."""
        asked = self.config.objective.name
        return (self.prediction.objective or "epsilon") if asked == "auto" else asked

    @property
    def zero_terminal_snr(self) -> bool:
        """Whether the schedule ends in pure noise: as asked for, else the base's, else no."""
        asked = self.config.objective.zero_terminal_snr
        if asked != "auto":
            return asked
        return bool(self.prediction.zero_terminal_snr) and self.objective != "epsilon"

    @property
    def text(self) -> TextRule:
        """How prompts are read."""
        asked = self.config.text
        return TextRule(asked.split, asked.max_token_length, asked.clip_skip)

    @property
    def layout(self) -> Layout:
        """How a whole model is written."""
        asked = self.config.output.layout
        return self.family.layouts[0] if asked == "auto" else asked

    @property
    def trained(self) -> tuple[Item, ...]:
        """The pictures without those held out."""
        return self.dataset.trained

    @property
    def epochs(self) -> int:
        """Passes begun, the last one perhaps not finished."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def output(self) -> Path:
        """The folder of the results."""
        return Path(self.config.output.dir)

    @property
    def cache(self) -> Path:
        """The folder of cached latents and text states."""
        return Path(self.config.dataset.cache) if self.config.dataset.cache else self.output / "cache"

    @property
    def sample_size_px(self) -> tuple[int, int]:
        """Of the sample pictures: as asked for, else the family's own."""
        native = self.family.native_resolution_px
        return self.config.sample.size if all(self.config.sample.size) else (native, native)

    def tag_rule(self) -> TagRule:
        """How tags are drawn beyond what the dataset TOML says."""
        return _tag_rule(self.config, self.dataset)

    def staying(self) -> frozenset[Stay]:
        """Which networks training asks in every step, beside the one that learns: what varies cannot be cached."""
        return _staying(self.config, self.dataset)

    def sample_prompts(self) -> tuple[Prompt, ...]:
        """The sample pictures asked for, else a few captions from all over the dataset. Raises InputError."""
        asked = self.config.sample
        fallback = () if asked.prompts or asked.prompt_file else _some_captions(self.trained)
        return prompts.prompts_of(
            asked,
            fallback,
            native_px=self.family.native_resolution_px,
            stride_px=self.family.latent_stride_px,
        )

    @property
    def batches_per_step(self) -> int:
        """Of all processes together."""
        return self.config.train.gradient_accumulation * self.processes

    def deciding(self) -> dict[str, object]:
        """The settings that decide the weights: a checkpoint goes on only under the same ones."""
        # As JSON has it, which checkpoints are written in.
        plain: dict[str, dict[str, object]] = msgspec.json.decode(msgspec.json.encode(self.config))
        found = {
            f"{section}.{key}": value
            for section in _DECIDING
            for key, value in plain[section].items()
            if key not in _NOT_DECIDING
        }
        resolved: dict[str, object] = {
            "objective.name": self.objective,
            "objective.zero_terminal_snr": self.zero_terminal_snr,
            "train.gradient_accumulation": self.batches_per_step,
        }
        is_scheduled = self.config.schedule.name != "constant" or 0 < self.config.schedule.warmup < 1
        if is_scheduled or any(0 < item.subset.captions.token_warmup_step < 1 for item in self.trained):
            # A share of all steps: with more of them tags would come later, and the rate fall more slowly.
            resolved["train.steps"] = self.steps
        return found | resolved | {"model.family": self.family.name}


def make(path: Path, *, sets: Sequence[str] = (), preset: str = "", processes: int = 1) -> Plan:
    """Reads the run's TOML, the base's header and the dataset. Raises ConfigError, BaseModelError, DatasetError.

    `sets` are settings `key=value` that replace the TOML's, `preset` names those that stand behind it.
    """
    config = config_file.load(path, sets=sets, preset=preset)
    config = _exchanging(config) if processes > 1 else config
    base, family, prediction = find_base(config)
    _refuse_unknown_names(path, config, family=family)
    _refuse_odd_sample_size(path, config, family=family)
    config, reasons, dataset = _settled(config, family, base)
    items.require_stride(dataset, family.latent_stride_px)
    num = num_batches(entries(dataset.trained))
    per_epoch = -(-num // (config.train.gradient_accumulation * processes))
    steps = config.train.steps or (config.train.epochs or _DEFAULT_EPOCHS) * per_epoch
    plan = Plan(path, config, family, base, prediction, dataset, (), num, per_epoch, steps, processes, reasons)
    _refuse_impossible(plan)
    plan.sample_prompts()
    contradictions.refuse(config, family=family, objective=plan.objective, processes=processes)
    return replace(plan, notes=(*_base_notes(plan), *dataset.notes))


def entries(trained: list[Item] | tuple[Item, ...]) -> list[Entry]:
    """The pictures as the sampler sees them."""
    return [
        Entry(
            item.digest,
            (item.set_number, *item.fit.bucket_px),
            item.subset.num_repeats,
            item.set.batch_size,
            item.subset.is_reg,
        )
        for item in trained
    ]


def find_base(config: Config) -> tuple[BaseHeader | None, Family, Prediction]:
    """The base's header, its family and what its network says. Raises ConfigError, BaseModelError."""
    name, header, prediction = config.model.family, None, _SILENT
    if name:
        FAMILIES.check(name, field="model.family")
    if config.model.base:
        header = bases.read_header(Path(config.model.base))
        known = {one: FAMILIES.load(one, field="model.family") for one in FAMILIES.names()}
        found, prediction = bases.identify(header, {name: known[name]} if name else known)
        name = found
    family = FAMILIES.load(name or "tiny", field="model.family")
    if config.model.prediction_type != "auto":
        prediction = Prediction(
            config.model.prediction_type, prediction.zero_terminal_snr, evidence="model.prediction_type"
        )
    return header, family, prediction


def _base_notes(plan: Plan) -> list[str]:
    says, asked = plan.prediction, plan.objective
    if says.objective is None or says.objective == asked:
        told = f" ({says.evidence})" if says.evidence and says.objective else ""
        return [f"the base says {asked}{told}"] if told else []
    if plan.config.adapter.name != contradictions.CHECKPOINT:
        raise ConfigError(
            f"objective.name is {asked!r}, but the base says {says.objective} ({says.evidence}): "
            "what is learnt would not fit it",
            hint='set objective.name = "auto"; or model.prediction_type, where the file is wrong about itself',
        )
    return [f"the base says {says.objective} ({says.evidence}); it is trained to say {asked}"]


def _settled(config: Config, family: Family, base: BaseHeader | None) -> tuple[Config, tuple[str, ...], Dataset]:
    """The config with every choice made that it left to us, why, and the dataset read with its batch size."""
    dataset = items.find(_sets(config, family))
    on_gpu = {"cuda": True, "cpu": False}.get(config.train.device)

    def settled(batch_size: int) -> Settled:
        asked = _with_batch(config, batch_size)
        stay = _staying(config, dataset)
        return planning.settle(asked, family=family, base=base, largest_px=dataset.largest_px, on_gpu=on_gpu, stay=stay)

    # What the dataset TOML says of batches counts, not what a plan would like.
    named = _largest_batch(dataset)
    made = settled(named if named > 1 else config.train.batch_size)
    if made.config.train.batch_size > named:
        dataset = items.find(_sets(made.config, family))
        if (named := _largest_batch(dataset)) < made.config.train.batch_size:
            made = settled(named)
    return _with_rate(made.config), made.reasons, dataset


def _exchanging(config: Config) -> Config:
    """Gradients that processes tell each other are kept until then, whatever a plan would like."""
    if config.memory.fused_backward != "auto":
        return config
    return msgspec.structs.replace(config, memory=msgspec.structs.replace(config.memory, fused_backward=False))


def _largest_batch(dataset: Dataset) -> int:
    return max((item.set.batch_size for item in dataset.trained), default=1)


def _with_batch(config: Config, batch_size: int) -> Config:
    train = msgspec.structs.replace(config.train, batch_size=batch_size)
    return msgspec.structs.replace(config, train=train)


def _tag_rule(config: Config, dataset: Dataset) -> TagRule:
    asked = config.captions
    return TagRule(asked.tag_dropout, asked.levels, asked.common_tag_dropout, dataset.tag_counts())


def _staying(config: Config, dataset: Dataset) -> frozenset[Stay]:
    tags, items = _tag_rule(config, dataset), dataset.trained
    varies = any(captions.varies(item.captions, item.subset.captions, tags) for item in items)
    found: set[Stay] = {"text"} if varies or not config.dataset.cache_text else set()
    return frozenset(found | {"vae"} if any(not fixed_views(item) for item in items) else found)


def _with_rate(config: Config) -> Config:
    """The learning rate is the optimizer's own where none is named. Raises ConfigError, MissingExtraError."""
    if config.optimizer.learning_rate:
        return config
    own = msgspec.structs.replace(config.optimizer, learning_rate=table.rate(config.optimizer.name))
    return msgspec.structs.replace(config, optimizer=own)


def _sets(config: Config, family: Family) -> tuple[ImageSet, ...]:
    given = config.dataset
    general = dict(given.general)
    if config.validation.split:
        general.setdefault("validation_split", config.validation.split)
    fallback = Fallback(config.train.batch_size or 1, given.resolution or family.native_resolution_px, general)
    if given.train_dir:
        return folders.read(Path(given.train_dir), Path(given.reg_dir) if given.reg_dir else None, fallback=fallback)
    return dataset_toml.read(Path(given.config), fallback)


def _refuse_unknown_names(path: Path, config: Config, *, family: Family) -> None:
    ADAPTERS.check(config.adapter.name, field="adapter.name")
    WEIGHTINGS.check(config.objective.weighting, field="objective.weighting")
    if config.objective.name != "auto":
        OBJECTIVES.check(config.objective.name, field="objective.name")
    known = {
        "targets": {"auto", "none", "full", *family.targets},
        "text_targets": {"none", "full", *family.text_targets},
    }
    for field, presets in known.items():
        asked = getattr(config.adapter, field)
        if isinstance(asked, str) and "." not in asked and asked not in presets:
            raise ConfigError(f"{path}: adapter.{field}: there is no preset {asked!r}", hint=nearest(asked, presets))


def _refuse_impossible(plan: Plan) -> None:
    if plan.objective == "epsilon" and plan.zero_terminal_snr:
        raise ConfigError(
            f"{plan.path}: epsilon says nothing at pure noise, so it has no zero terminal SNR",
            hint='objective.name = "v_prediction", or zero_terminal_snr = false',
        )
    family = plan.family
    if family.needs_base and plan.base is None:
        raise ConfigError(
            f"{plan.path}: model.base: {family.name} has no random weights", hint="name a .safetensors file or a folder"
        )
    if plan.layout not in family.layouts:
        raise ConfigError(
            f"{plan.path}: output.layout: {family.name} is not written as {plan.layout}",
            hint=f"choose {' or '.join(family.layouts)}",
        )
    rated = any(item.subset.captions.caption_tag_dropout_rate for item in plan.trained)
    if plan.config.captions.common_tag_dropout and not rated:
        raise ConfigError(
            f"{plan.path}: captions.common_tag_dropout is set, but no subset has a caption_tag_dropout_rate",
            hint="set caption_tag_dropout_rate in the dataset TOML; rates by name are not multiplied",
        )


def _refuse_odd_sample_size(path: Path, config: Config, *, family: Family) -> None:
    stride = family.latent_stride_px
    if any(side % stride for side in config.sample.size):
        raise ConfigError(f"{path}: sample.size must be multiples of {stride} px", hint="round them")


def _some_captions(trained: tuple[Item, ...]) -> tuple[str, ...]:
    own = [item for item in trained if not item.subset.is_reg] or list(trained)
    found: dict[str, None] = {}
    wanted = min(_DEFAULT_PROMPTS, len(own))
    for place in range(wanted):
        item = own[place * len(own) // wanted]
        found[captions.calm(item.captions, item.subset.captions)] = None
    return tuple(found)
