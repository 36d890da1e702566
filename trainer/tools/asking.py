"""What is asked of `classgen` and `sample`, worked out without loading a model or torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from trainer import config as config_file
from trainer import plan as plans
from trainer.data.items import Dataset
from trainer.errors import ConfigError
from trainer.plan import Plan

_SIZE = re.compile(r"(\d{1,5})(?:[xX*](\d{1,5}))?")


@dataclass(frozen=True)
class ClassRequest:
    """Pictures to be made; prompts and sizes take turns."""

    prompts: tuple[str, ...]
    """`{a|b}` in one is a choice, drawn anew for each picture."""
    count: int
    sizes_px: tuple[tuple[int, int], ...]
    steps: int
    guidance: float
    negative: str
    seed: int
    batch_size: int = 1
    """Pictures made at once. Another number may change their last bits."""


@dataclass(frozen=True)
class Options:
    """What a person wrote; None where that is left to the config's [sample]."""

    prompts: tuple[str, ...]
    count: int
    sizes: tuple[str, ...] = ()
    seed: int | None = None
    negative: str | None = None
    batch: int = 1


def plan_of_base(path: Path, prompts: Sequence[str] = (), *, sets: Sequence[str] = ()) -> Plan:
    """The base of a run's TOML, whose dataset is not looked at. Raises ConfigError, BaseModelError."""
    config = config_file.load(path, sets=sets)
    if prompts:
        config = replace(config, sample=replace(config.sample, prompts=tuple(prompts), prompt_file=""))
    base, family, prediction = plans.find_base(config)
    return Plan(path, config, family, base, prediction, Dataset((), ()), (), 0, 1, 0)


def plan_of_sheet(path: Path, prompts: Sequence[str], *, sets: Sequence[str] = ()) -> Plan:
    """What a sheet of pictures needs: the dataset only where nobody names prompts, for its captions."""
    sample = config_file.load(path, sets=sets).sample
    if prompts or sample.prompts or sample.prompt_file:
        return plan_of_base(path, prompts, sets=sets)
    return plans.make(path, sets=sets)


def request(plan: Plan, options: Options) -> ClassRequest:
    """The pictures that are asked for. Raises ConfigError."""
    sample = plan.config.sample
    prompts = tuple(prompt.strip() for prompt in options.prompts)
    if not any(prompts):
        raise ConfigError("--prompt: is empty", hint="name the class, as in --prompt '1girl, solo'")
    sizes = sizes_px(options.sizes, stride_px=plan.family.latent_stride_px) or (plan.sample_size_px,)
    return ClassRequest(
        prompts=prompts,
        count=options.count,
        sizes_px=sizes,
        steps=sample.steps,
        guidance=sample.guidance,
        negative=sample.negative if options.negative is None else options.negative,
        seed=sample.seed if options.seed is None else options.seed,
        batch_size=options.batch,
    )


def sizes_px(texts: Sequence[str], *, stride_px: int) -> tuple[tuple[int, int], ...]:
    """(width, height) of `832x1216`, or of a square's side. Raises ConfigError."""
    found = []
    for text in texts:
        match = _SIZE.fullmatch(text.strip())
        if match is None:
            raise ConfigError(f"--size: {text!r} is no size", hint="write it as 832x1216")
        width, height = int(match[1]), int(match[2] or match[1])
        if not width or not height or width % stride_px or height % stride_px:
            near = "x".join(str(max(1, round(side / stride_px)) * stride_px) for side in (width, height))
            raise ConfigError(f"--size: {text} is no multiple of {stride_px} px", hint=f"try {near}")
        found.append((width, height))
    return tuple(found)
