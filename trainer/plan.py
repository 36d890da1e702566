"""A run before it begins: config, pictures, buckets and steps, checked without loading a model or torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from trainer import config as config_file
from trainer.config import Config
from trainer.contracts import Family
from trainer.data import dataset_toml, items
from trainer.data.captions import draw
from trainer.data.dataset_toml import Fallback
from trainer.data.items import Dataset
from trainer.data.sampler import Entry, num_batches
from trainer.errors import BaseModelError, ConfigError, nearest
from trainer.registry import ADAPTERS, FAMILIES, OBJECTIVES

_DEFAULT_EPOCHS = 10
_DEFAULT_PROMPTS = 4


@dataclass(frozen=True)
class Plan:
    """A run that can begin."""

    path: Path
    config: Config
    family: Family
    dataset: Dataset
    batches_per_epoch: int
    steps_per_epoch: int
    steps: int

    @property
    def epochs(self) -> int:
        """Passes begun, the last one perhaps not finished."""
        return -(-self.steps // self.steps_per_epoch)

    @property
    def output(self) -> Path:
        """The folder of the results."""
        return Path(self.config.output.dir)

    @property
    def sample_size_px(self) -> tuple[int, int]:
        """Of the sample pictures: as asked for, else the family's own."""
        native = self.family.native_resolution_px
        return self.config.sample.size if all(self.config.sample.size) else (native, native)

    def target_patterns(self) -> tuple[str, ...]:
        """The regular expressions of the modules to train."""
        targets = self.config.adapter.targets
        return self.family.targets[targets] if isinstance(targets, str) else targets

    def prompts(self) -> tuple[str, ...]:
        """Those asked for, else a few captions from all over the dataset."""
        return self.config.sample.prompts or _some_captions(self.dataset)

    def deciding(self) -> dict[str, object]:
        """The settings that decide the weights: a checkpoint goes on only under the same ones."""
        plain: dict[str, dict[str, object]] = msgspec.to_builtins(self.config)
        # How long, where and how often is not among them; paths, batch size and resolution come in as digests.
        left_out = {"steps", "epochs", "save_every", "keep_last", "device", "threads", "batch_size", "base"}
        return {
            f"{section}.{key}": value
            for section in ("model", "adapter", "objective", "optimizer", "train")
            for key, value in plain[section].items()
            if key not in left_out
        }


def make(path: Path) -> Plan:
    """Reads the run's TOML and its dataset. Raises ConfigError, DatasetError."""
    config = config_file.load(path)
    family = FAMILIES.load(config.model.family, field="model.family")
    ADAPTERS.check(config.adapter.name, field="adapter.name")
    OBJECTIVES.check(config.objective.name, field="objective.name")
    targets = config.adapter.targets
    if isinstance(targets, str) and targets not in family.targets:
        raise ConfigError(
            f"{path}: adapter.targets: there is no preset {targets!r}", hint=nearest(targets, family.targets)
        )
    if config.model.base and not Path(config.model.base).exists():
        raise BaseModelError(f"{config.model.base}: there is no such base model", hint="correct model.base")
    _refuse_odd_sample_size(path, config, family=family)
    fallback = Fallback(config.train.batch_size, config.dataset.resolution or family.native_resolution_px)
    dataset = items.find(dataset_toml.read(Path(config.dataset.config), fallback))
    items.require_stride(dataset, family.latent_stride_px)
    num = num_batches([_entry(item) for item in dataset.items])
    per_epoch = -(-num // config.train.gradient_accumulation)
    steps = config.train.steps or (config.train.epochs or _DEFAULT_EPOCHS) * per_epoch
    return Plan(path, config, family, dataset, num, per_epoch, steps)


def describe(plan: Plan) -> list[str]:
    """The resolved config, then pictures, repeats, buckets, steps and epochs; one line each."""
    lines = []
    for section, table in msgspec.to_builtins(plan.config).items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
        lines.append("")
    lines += [f"note: {note}" for note in plan.dataset.notes]
    lines += [
        f"images   {len(plan.dataset.items)}",
        f"repeats  {plan.dataset.num_repeats} per epoch",
        "buckets  " + ", ".join(f"{w}x{h}: {num}" for (w, h), num in sorted(plan.dataset.bucket_counts().items())),
        f"batches  {plan.batches_per_epoch} per epoch",
        f"steps    {plan.steps} ({plan.steps_per_epoch} per epoch)",
        f"epochs   {plan.epochs}",
    ]
    return lines


def _entry(item: items.Item) -> Entry:
    return Entry("", (item.set_number, *item.fit.bucket_px), item.subset.num_repeats, item.set.batch_size)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return msgspec.json.encode(value).decode() if isinstance(value, str) else str(value)


def _refuse_odd_sample_size(path: Path, config: Config, *, family: Family) -> None:
    stride = family.latent_stride_px
    if any(side % stride for side in config.sample.size):
        raise ConfigError(f"{path}: sample.size must be multiples of {stride} px", hint="round them")


def _some_captions(dataset: Dataset) -> tuple[str, ...]:
    found: dict[str, None] = {}
    wanted = min(_DEFAULT_PROMPTS, len(dataset.items))
    for place in range(wanted):
        item = dataset.items[place * len(dataset.items) // wanted]
        calm = replace(
            item.subset.captions,
            shuffle_caption=False,
            caption_dropout_rate=0.0,
            caption_dropout_every_n_epochs=0,
            caption_tag_dropout_rate=0.0,
        )
        found[draw(item.caption, calm, run_seed=0, item="", epoch=0)] = None
    return tuple(found)
