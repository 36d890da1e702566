"""Losses that can be compared: the same pictures, noise levels and noise each time they are measured.

A step's loss depends mostly on the noise level that was drawn for it, so that a curve of such losses hides what is
learnt. Here nothing is drawn: every picture is asked at the same levels, with the same noise, in every measurement of
every run with the same `validation.seed`. Of pictures held out it tells what is learnt beyond the pictures, of trained
ones what is learnt of them; the distance between the two curves is what was learnt by heart. The method is
spacepxl's (spacepxl/demystifying-sd-finetuning:README.md, "stable loss"), without its generators that are put back.

What training draws is left out: flips, crops, shuffled captions, noise offsets, dropout, and the loss weights of
pictures. The kind of loss and the weight of each noise level are the run's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch

from trainer import loop
from trainer.data import captions
from trainer.data.items import Dataset, Item
from trainer.data.latents import Look
from trainer.data.pixels import View, fixed_views, geometry_of
from trainer.loop import Batch, Oven
from trainer.run_sections import ValidationConfig
from trainer.seeds import normal, seed_for
from trainer.signals import never


@dataclass(frozen=True)
class Asked:
    """What is measured."""

    held_out: tuple[Item, ...]
    trained: tuple[Item, ...]
    rule: ValidationConfig

    @property
    def any(self) -> bool:
        """Whether anything is: pictures are held out, or the config names an interval."""
        return bool(self.held_out) or self.rule.every > 0


@dataclass(frozen=True)
class Measured:
    """What a set of pictures came to."""

    images: int
    levels: tuple[float, ...]
    """Shares of the way from clean (0) to noise (1), ascending."""
    means: tuple[float, ...]
    """Mean loss at each level."""

    @property
    def mean(self) -> float:
        """Over all levels and pictures; no number where there are no pictures."""
        return math.fsum(self.means) / len(self.means)


def chosen(dataset: Dataset, rule: ValidationConfig) -> Asked:
    """The held-out pictures that are asked, and as many trained ones; of the latter `images` where none is held out.

    The choice follows from the seed and the contents of the pictures, which need their digests: another picture in the
    dataset takes the place of one at most. Regularization pictures are never asked.
    """
    held_out = _some((item for item in dataset.items if item.is_held_out), rule.images, seed=rule.seed)
    trained = _some((item for item in dataset.items if item.is_counted), len(held_out) or rule.images, seed=rule.seed)
    return Asked(held_out, trained, rule)


def looks(items: Iterable[Item]) -> list[Look]:
    """The views that are measured, which the latent cache should hold beforehand."""
    return [(item, _view(item)) for item in items]


def prompts(items: Iterable[Item]) -> list[str]:
    """The texts that are read, which the text cache should hold beforehand; each once."""
    return list(dict.fromkeys(_prompt(item) for item in items))


def measure_both(oven: Oven, asked: Asked, *, stop: Callable[[], bool] = never) -> dict[str, float]:
    """Mean losses by name: `held_out` and `trained`, and their `gap` where both are there.

    Nothing where `stop()` came true meanwhile.
    """
    means: dict[str, float] = {}
    for name, items in (("held_out", asked.held_out), ("trained", asked.trained)):
        if items:
            means[name] = measure(oven, _until(stop, items), asked.rule)
            if stop():
                return {}
    return {**means, "gap": means["held_out"] - means["trained"]} if len(means) == 2 else means


def measure(oven: Oven, items: Iterable[Item], rule: ValidationConfig) -> float:
    """The mean loss of these pictures, as `measured`."""
    return measured(oven, items, rule).mean


def measured(oven: Oven, items: Iterable[Item], rule: ValidationConfig) -> Measured:
    """The losses of these pictures, without gradient, the adapter without dropout.

    A batch is one picture at several levels, so that neither other pictures nor the lengths of their captions have a
    say, and the size of the batch none but by rounding. No generator is advanced. Raises DatasetError.
    """
    oven.adapter.train(False)
    found: list[list[float]] = [[] for _ in range(rule.timesteps)]
    with torch.no_grad():
        for item in items:
            for level, loss in enumerate(_losses(oven, item, rule)):
                found[level].append(loss)
    means = [math.fsum(losses) / len(losses) if losses else math.nan for losses in found]
    return Measured(len(found[0]), _levels(rule), tuple(means))


def _until(stop: Callable[[], bool], items: Iterable[Item]) -> Iterator[Item]:
    """Those before `stop()` comes true."""
    for item in items:
        if stop():
            return
        yield item


def _some(items: Iterable[Item], limit: int, *, seed: int) -> tuple[Item, ...]:
    """At most so many, drawn by their contents, in the order of the dataset."""
    known = list(items)
    drawn = sorted(range(len(known)), key=lambda place: seed_for(seed, known[place].digest, "validated"))
    return tuple(known[place] for place in sorted(drawn[:limit]))


def _view(item: Item) -> View:
    """Not mirrored; the middle, where training cuts anywhere."""
    fixed = fixed_views(item)
    return fixed[0] if fixed else View()


def _prompt(item: Item) -> str:
    return captions.calm(item.captions, item.subset.captions)


def _levels(rule: ValidationConfig) -> tuple[float, ...]:
    """The middles of equal shares."""
    return tuple((number + 0.5) / rule.timesteps for number in range(rule.timesteps))


def _losses(oven: Oven, item: Item, rule: ValidationConfig) -> Iterator[float]:
    """Of one picture, level by level."""
    for first in range(0, rule.timesteps, item.set.batch_size):
        numbers = range(first, min(first + item.set.batch_size, rule.timesteps))
        yield from loop.losses(oven, _batch(oven, item, rule, numbers=numbers)).double().tolist()


def _batch(oven: Oven, item: Item, rule: ValidationConfig, *, numbers: range) -> Batch:
    device, count, view = oven.model.device, len(numbers), _view(item)
    latent = oven.latents.latent(item, view)
    shape = tuple(latent.mean.shape)
    noise = torch.stack([normal(shape, rule.seed, item.digest, number, "validation") for number in numbers])
    levels = torch.tensor([_levels(rule)[number] for number in numbers], dtype=torch.float64)
    mask = latent.mask if oven.recipe.masked else None
    return Batch(
        clean=latent.mean.expand(count, *shape).to(device),
        noise=noise.to(device),
        extra=torch.zeros_like(noise).to(device),
        times=oven.recipe.path.at_level(levels).to(device),
        mask=None if mask is None else mask.expand(count, 1, *mask.shape).to(device),
        weights=torch.ones(count, device=device),
        prompts=(_prompt(item),) * count,
        geometry=(geometry_of(item, view),) * count,
    )
