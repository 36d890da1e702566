"""Chooses what is held how, so that a run fits the GPU that [memory] vram names: the fastest way that can.

Every way to save memory has a price in speed; all combinations of what the person left open are tried, the cheapest
first. What the person set stays. Without vram nothing is saved: that is how a run was before there were plans.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from trainer.config import Config
from trainer.contracts.model import BaseHeader, Family
from trainer.errors import ConfigError
from trainer.memory import sizes
from trainer.memory.estimate import FREE, GIB, Estimate, Stay, fits, of_sizes, require
from trainer.memory.sizes import FULL, WORD, Sizes
from trainer.run_sections import OptimizerConfig
from trainer.updates import table

_ROOMY = 0.9
"""Share of the memory that a larger batch may take."""
_BATCHES = (8, 4, 2)
_WITHOUT: Mapping[str, Any] = {
    "memory.weights": "fp32",
    "memory.text_weights": "fp32",
    "memory.adapter_weights": "fp32",
    "memory.checkpointing": False,
    "memory.offload": 0.0,
    "memory.fused_backward": False,
    "train.precision": "fp32",
    "optimizer.name": "adamw",
}
"""What `auto` stands for where there is no plan."""


@dataclass(frozen=True)
class _Way:
    """One value of a field, its price in speed, and what is said of it."""

    value: Any
    price: float = 0.0
    reason: str = ""


_TRAINED: Mapping[str, tuple[_Way, ...]] = {
    "memory.weights": (
        _Way("fp32"),
        _Way("bf16", 1, "weights bf16: {weights} GiB instead of {whole}, rounded stochastically"),
    ),
    "memory.checkpointing": (
        _Way(False),
        _Way(True, 4, "checkpointing: activations of {size} would take {activations} GiB"),
    ),
    "memory.fused_backward": (
        _Way(False),
        _Way(True, 1, "fused_backward: all gradients would take {gradients} GiB; they are not clipped"),
    ),
    "optimizer.name": (_Way("adamw"), _Way("adafactor", 6, "adafactor: adamw would remember {optimizer} GiB")),
}
_FROZEN: Mapping[str, tuple[_Way, ...]] = {
    "memory.weights": (
        _Way("bf16", 0, "weights bf16: {weights} GiB instead of {whole}, and no casts"),
        _Way("fp8", 8, "weights fp8: in bf16 they would take {half} GiB"),
    ),
    "memory.checkpointing": _TRAINED["memory.checkpointing"],
    "memory.offload": (
        _Way(0.0),
        *(
            _Way(share, 6 + 20 * share, f"offload {share}: the weights do not fit beside the rest")
            for share in (0.25, 0.5, 0.75, 1.0)
        ),
    ),
}
"""Fields of a full finetune, and of all else, from the fastest value to the slowest."""
_EVERY: Mapping[str, tuple[_Way, ...]] = {
    "train.precision": (
        _Way("bf16", 0, "precision bf16: half of the activations, and fast on GPUs since Ampere (RTX 30)"),
    ),
    "memory.adapter_weights": (_Way("fp32"),),
    "memory.text_weights": (
        _Way("fp32"),
        _Way("bf16", 2, "text_weights bf16: text encoders take {text} GiB instead of twice that"),
    ),
    "memory.offload": (_Way(0.0),),
    "memory.fused_backward": (_Way(False),),
    "optimizer.name": (_Way("adamw"),),
}


@dataclass(frozen=True)
class Settled:
    """A config without any choice left open, and why it is so; channels_last waits until the device is known."""

    config: Config
    reasons: tuple[str, ...]
    """A plain line per choice."""


def settle(
    config: Config,
    *,
    family: Family,
    base: BaseHeader | None,
    largest_px: tuple[int, int] = (0, 0),
    on_gpu: bool | None,
    stay: Set[Stay] = frozenset(),
) -> Settled:
    """The config with every `auto` and 0 of memory decided; `stay` tells which networks training asks beside its own.

    Raises ConfigError where its fields contradict each other, or where nothing fits.
    """
    _refuse(config)
    vram = config.memory.vram
    if config.memory.channels_last == "auto" and (on_gpu is not None or config.memory.sharded):
        config = _with(config, {"memory.channels_last": bool(on_gpu) and not config.memory.sharded})
    if not vram:
        chosen = {field: value for field, value in _WITHOUT.items() if _get(config, field) == "auto"}
        made = _with(config, chosen | {"train.batch_size": config.train.batch_size or 1})
        return Settled(_one_dtype(made), ())
    held = sizes.of(config.adapter, family=family, base=base)
    asked = partial(of_sizes, held=held, family=family, largest_px=largest_px, stay=stay)
    return _planned(config, _Question(asked, held, largest_px, family, vram), stay=stay)


@dataclass(frozen=True)
class _Question:
    asked: Any
    held: Sizes
    largest_px: tuple[int, int]
    family: Family
    vram: int

    def of(self, config: Config) -> Estimate:
        found: Estimate = self.asked(config)
        return found

    def fits(self, config: Config) -> bool:
        return fits(self.of(config), self.vram)


def _planned(config: Config, question: _Question, *, stay: Set[Stay]) -> Settled:
    small = _encoding(config, question)
    tried = None
    for ways in _combinations(small):
        tried = _with(small, {field: way.value for field, way in ways.items()})
        single = _with(tried, {"train.batch_size": config.train.batch_size or 1})
        if question.fits(single):
            grown = _grown(single, question) if not config.train.batch_size else single
            return Settled(_one_dtype(grown), tuple(_reasons(config, grown, ways, question=question, stay=stay)))
    assert tried is not None
    smallest = _with(tried, {"train.batch_size": config.train.batch_size or 1})
    require(question.of(smallest), question.vram, hint=_cure(smallest, question))
    raise AssertionError("it fits after all")


def _one_dtype(config: Config) -> Config:
    """Where the network itself is trained, the adapter's weights are the network's."""
    is_full = config.adapter.name == FULL
    return _with(config, {"memory.adapter_weights": config.memory.weights}) if is_full else config


def _encoding(config: Config, question: _Question) -> Config:
    """One picture at once where four do not fit, before training."""
    trial = _with(config, {field: value for field, value in _WITHOUT.items() if _get(config, field) == "auto"})
    four = sum(question.of(trial).phases["encoding"].values())
    if config.dataset.encode_batch or four <= question.vram * GIB - FREE:
        return config
    return _with(config, {"dataset.encode_batch": 1})


def _combinations(config: Config) -> Iterator[dict[str, _Way]]:
    """Values of all fields that are open, the fastest combination first."""
    table_of = {**_EVERY, **(_TRAINED if config.adapter.name == FULL else _FROZEN)}
    open_fields = {field: ways for field, ways in table_of.items() if _get(config, field) == "auto"}
    if "memory.fused_backward" in open_fields and not _can_fuse(config):
        open_fields["memory.fused_backward"] = (_Way(False),)
    if "memory.weights" in open_fields and config.memory.sharded:
        open_fields["memory.weights"] = (_Way("fp32"),)
    every = (dict(zip(open_fields, ways, strict=True)) for ways in itertools.product(*open_fields.values()))
    allowed = (ways for ways in every if not _contradicts(config, ways))
    yield from sorted(allowed, key=lambda ways: sum(way.price for way in ways.values()))


def _contradicts(config: Config, ways: Mapping[str, _Way]) -> bool:
    made = _with(config, {field: way.value for field, way in ways.items()})
    return bool(made.memory.compile and (made.memory.weights == "fp8" or made.memory.offload))


def _can_fuse(config: Config) -> bool:
    known, limit = table.known(config.optimizer.name), config.optimizer.max_grad_norm
    # A limit that somebody chose is kept.
    is_free = limit in (0.0, OptimizerConfig().max_grad_norm) and not config.memory.sharded
    return is_free and config.train.gradient_accumulation == 1 and known is not None and not known.whole


def _grown(config: Config, question: _Question) -> Config:
    """With the largest batch that fits well."""
    room = _ROOMY * (question.vram * GIB - FREE)
    for size in _BATCHES:
        larger = _with(config, {"train.batch_size": size})
        if question.of(larger).total <= room:
            return larger
    return config


def _reasons(
    asked: Config, made: Config, ways: Mapping[str, _Way], *, question: _Question, stay: Set[Stay]
) -> Iterator[str]:
    # What one batch would take as it was before it grew.
    single = _with(made, {"train.batch_size": asked.train.batch_size or 1})
    for field, way in ways.items():
        if way.reason:
            yield way.reason.format_map(_numbers(single, field, question))
    if made.dataset.encode_batch != asked.dataset.encode_batch:
        yield "encode_batch 1: the VAE would take too much for four pictures at once"
    if made.train.batch_size != asked.train.batch_size and made.train.batch_size > 1:
        yield f"batch_size {made.train.batch_size}: the largest of 1, 2, 4 and 8 that fits with room to spare"
    if "text" in stay and not question.held.trained.text:
        size = _gib(question.of(made).phases["training"]["text encoders"])
        yield f"text encoders stay on the GPU ({size} GiB), for captions vary: fixed captions are read once, beforehand"


def _numbers(made: Config, field: str, question: _Question) -> dict[str, str]:
    """What the reasons name; of the run as it would be without this choice."""
    other = _with(made, {field: _WITHOUT[field]}) if field in _WITHOUT else made
    training = question.of(other).phases["training"]
    area = question.largest_px if all(question.largest_px) else (question.family.native_resolution_px,) * 2
    held = question.held
    return {
        "size": f"{area[0]}x{area[1]}",
        "weights": _gib(question.of(made).phases["training"]["weights"]),
        "whole": _gib(4 * held.unet),
        "half": _gib(2 * held.unet),
        "text": _gib(2 * held.text),
        **{kind: _gib(training[kind]) for kind in ("activations", "gradients", "optimizer")},
    }


def _gib(size: int) -> str:
    return f"{size / GIB:.1f}"


def _cure(config: Config, question: _Question) -> str:
    """What would let it fit."""
    larger = next((size for size in (8, 12, 16, 24, 32) if size > question.vram and fits(question.of(config), size)), 0)
    cures = []
    if config.train.batch_size > 1:
        cures.append(f"lower batch_size, now {config.train.batch_size}")
    cures.append("lower dataset.resolution and sample.size")
    if config.adapter.name == FULL:
        cures.append('train a LoRA, adapter.name = "lora"')
    elif config.adapter.name != WORD and config.adapter.rank > 8:
        cures.append("lower adapter.rank")
    cures.append(f"use a GPU of {larger} GiB" if larger else "leave open what [memory] sets")
    return ", or ".join(cures)


def _refuse(config: Config) -> None:
    """Raises ConfigError where fields of [memory] contradict each other or what is trained."""
    memory, is_full = config.memory, config.adapter.name == FULL
    known = table.known(config.optimizer.name)
    is_stored = memory.weights == "fp8" or memory.offload not in ("auto", 0.0)
    checks = (
        (
            is_full and memory.weights == "fp8",
            'memory.weights: fp8 cannot be trained, and adapter.name is "full"',
            'set weights = "bf16"',
        ),
        (
            is_full and memory.offload not in ("auto", 0.0),
            'memory.offload: weights that are trained cannot wait elsewhere, and adapter.name is "full"',
            "set offload = 0",
        ),
        (
            is_full and memory.adapter_weights != "auto" and memory.adapter_weights != memory.weights,
            'memory.adapter_weights means nothing where adapter.name is "full"',
            "set memory.weights",
        ),
        (
            memory.fused_backward is True and config.train.gradient_accumulation > 1,
            "memory.fused_backward: train.gradient_accumulation needs gradients to be kept",
            "set gradient_accumulation = 1, or fused_backward = false",
        ),
        (
            memory.fused_backward is True and known is not None and known.whole,
            f"memory.fused_backward: {config.optimizer.name} must see all gradients before it updates a weight",
            "set fused_backward = false, or another optimizer.name, e.g. adafactor",
        ),
        (
            memory.compile and is_stored,
            "memory.compile: weights in fp8 or in main memory cannot be compiled",
            'leave out compile, or set weights = "bf16" and offload = 0',
        ),
    )
    for holds, message, hint in checks:
        if holds:
            raise ConfigError(message, hint=hint)


def _get(config: Config, field: str) -> Any:
    section, _, name = field.partition(".")
    return getattr(getattr(config, section), name)


def _with(config: Config, values: Mapping[str, Any]) -> Config:
    """The config with these `section.name` values."""
    for field, value in values.items():
        section, _, name = field.partition(".")
        config = msgspec.structs.replace(
            config, **{section: msgspec.structs.replace(getattr(config, section), **{name: value})}
        )
    return config
