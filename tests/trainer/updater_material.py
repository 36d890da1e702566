"""Weights of several shapes in two groups, gradients that are always the same, and an updater over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from trainer.run_sections import OptimizerConfig, ScheduleConfig
from trainer.updates import table
from trainer.updates.updater import Rounding, Updater, make

SHAPES = ((6, 4), (4,), (72, 72), (4, 3, 3, 3))
SCHEDULE = ScheduleConfig("cosine", warmup=2)
TOTAL = 8


def weights(dtype: torch.dtype = torch.float32, *, channels_last: bool = False) -> list[torch.nn.Parameter]:
    torch.manual_seed(0)
    made = [torch.randn(shape).to(dtype) for shape in SHAPES]
    if channels_last:
        made[-1] = made[-1].to(memory_format=torch.channels_last)
    return [torch.nn.Parameter(one) for one in made]


def groups_of(
    parameters: Sequence[torch.nn.Parameter], name: str = "adamw", *, rate: float = 0.0
) -> list[dict[str, Any]]:
    """Of different rates, where the optimizer knows such."""
    known, rate = table.known(name), rate or table.rate(name)
    second = rate if known and known.whole else rate / 2
    return [
        {"params": parameters[:2], "lr": rate, "weight_decay": 0.01, "name": "unet"},
        {"params": parameters[2:], "lr": second, "weight_decay": 0.0, "name": "text_encoder"},
    ]


def updater(
    parameters: Sequence[torch.nn.Parameter],
    name: str = "adamw",
    *,
    fused: bool = False,
    schedule: ScheduleConfig = SCHEDULE,
    rate: float = 0.0,
    **more: Any,
) -> Updater:
    known = table.known(name)
    if known and known.whole:
        more.setdefault("arguments", {"d0": 0.01})  # so that the first steps do something
    config = OptimizerConfig(name=name, **more)
    rounding = Rounding(fused, seed=3)
    return make(groups_of(parameters, name, rate=rate), config, schedule=schedule, total=TOTAL, rounding=rounding)


def backward(parameters: Sequence[torch.nn.Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(100 + step)
    pulls = [torch.randn(one.shape, generator=generator) for one in parameters]
    pairs = zip(parameters, pulls, strict=True)
    losses = [(one.float() * pull).sum() + one.float().square().sum() for one, pull in pairs]
    torch.stack(losses).sum().backward()


def take(made: Updater, parameters: Sequence[torch.nn.Parameter], steps: Sequence[int]) -> list[float]:
    """The gradient's length at each step."""
    lengths = []
    for step in steps:
        made.begin(step)
        backward(parameters, step)
        lengths.append(made.update())
        assert all(one.grad is None for one in parameters)
    return lengths


def copies(parameters: Sequence[torch.nn.Parameter]) -> list[torch.Tensor]:
    return [one.detach().clone() for one in parameters]


def equal(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(one, other, strict=True))
