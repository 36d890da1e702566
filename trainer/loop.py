"""The training loop: one step after the other, the same whatever the family, objective and adapter.

Shapes: B pictures of a batch, [B, C, H, W] latents. A step's loss is the mean over all its pictures, so that
two batches accumulated weigh like one of twice the size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import accumulate, count

import torch

from trainer import losses as loss_of
from trainer import noise as noises
from trainer import timesteps
from trainer.contracts.adapter import Attached, parameters_of
from trainer.contracts.model import Condition, Geometry, Model
from trainer.data import captions
from trainer.data.captions import DrawKey, TagRule
from trainer.data.items import Item
from trainer.data.latents import LatentCache
from trainer.data.pixels import geometry_of, view_of
from trainer.data.sampler import Draw, batches, num_batches, steps_of
from trainer.data.texts import TextCache
from trainer.errors import DivergedError
from trainer.plan import entries
from trainer.processes import Processes
from trainer.recipe import Recipe
from trainer.seeds import normal, seed_for, unit
from trainer.updates.ema import Ema
from trainer.updates.updater import Updater


@dataclass(frozen=True)
class Rules:
    """The numbers of the loop."""

    seed: int
    gradient_accumulation: int
    """Batches per step of one process."""
    bf16: bool
    total_steps: int


@dataclass(frozen=True)
class Oven:
    """All that a step needs."""

    model: Model
    recipe: Recipe
    adapter: Attached
    updater: Updater
    ema: Ema | None
    items: Sequence[Item]
    tags: TagRule
    latents: LatentCache
    texts: TextCache
    trains_text: bool
    """Whether the text encoders change, so that nothing they said before counts."""
    rules: Rules
    processes: Processes
    sharded: bool = False
    """Whether each process holds a piece of every weight, so that all must run the network equally often."""

    @property
    def batches_per_step(self) -> int:
        """Of all processes together."""
        return self.rules.gradient_accumulation * self.processes.count

    @contextmanager
    def as_result(self) -> Iterator[None]:
        """Meanwhile the weights are those that would become the result; afterwards they are, bit for bit, as before."""
        self.updater.ready(False)
        try:
            with self.ema.applied() if self.ema else nullcontext():
                yield
        finally:
            self.updater.ready(True)


@dataclass(frozen=True)
class Drawn:
    """How one draw of a picture went."""

    index: int
    """Of the picture, in the oven's items."""
    time: float
    """0 to 1000, of the noise path."""
    loss: float
    """Its bare error, without any weight."""


@dataclass(frozen=True)
class Step:
    """What one optimizer update came to."""

    number: int
    """Counted from 1."""
    epoch: int
    """Counted from 1."""
    loss: float
    learning_rate: float
    seconds: float
    norm: float
    """Length of the gradient before it was shortened."""
    draws: tuple[Drawn, ...]


@dataclass(frozen=True)
class Batch:
    """One batch; tensors are on the model's device."""

    clean: torch.Tensor
    noise: torch.Tensor
    """What the network is to find."""
    extra: torch.Tensor
    """What is seen beside it, input perturbation."""
    times: torch.Tensor
    mask: torch.Tensor | None
    """[B, 1, H, W], where the loss counts; None: everywhere."""
    weights: torch.Tensor
    """Loss weight of each picture [B]."""
    prompts: tuple[str, ...]
    geometry: tuple[Geometry, ...]


def train(oven: Oven, *, done: int, total: int, stop: Callable[[], bool]) -> Iterator[Step]:
    """Yields each step from `done` + 1 to `total`; ends early, between steps, once `stop()` is true.

    Raises DivergedError, naming the step, where the loss or its gradient is no number; nothing is updated then.
    """
    for number, epoch, draws in _plan(oven, done):
        if number > total or oven.processes.agree(stop()):
            return
        yield _step(oven, number, epoch=epoch, draws=draws)


def _plan(oven: Oven, done: int) -> Iterator[tuple[int, int, tuple[tuple[Draw, ...], ...]]]:
    """Number, epoch and batches of each step after `done`, of all processes, without end."""
    seen = entries(tuple(oven.items))
    first_epoch, skip = divmod(done, -(-num_batches(seen) // oven.batches_per_step))
    number = done
    for epoch in count(first_epoch):
        steps = steps_of(batches(seen, seed=oven.rules.seed, epoch=epoch), oven.batches_per_step)
        for draws in steps[skip if epoch == first_epoch else 0 :]:
            number += 1
            yield number, epoch, draws


def _step(oven: Oven, number: int, *, epoch: int, draws: tuple[tuple[Draw, ...], ...]) -> Step:
    started = time.perf_counter()
    pictures = [chosen.index for batch in draws for chosen in batch]
    # Of each picture its loss, its bare error and its time; zero where another process has it.
    table = [0.0] * (3 * len(pictures))
    oven.updater.begin(number - 1)
    oven.adapter.train(True)
    firsts = [0, *accumulate(3 * len(batch) for batch in draws)]
    for part in oven.processes.share(draws, even=oven.sharded):
        # Dropout is the one draw that modules make by themselves: its generator starts anew for each batch.
        torch.manual_seed(seed_for(oven.rules.seed, number, part.place, "dropout"))
        batch = make_batch(oven, part.batch, epoch=epoch, step=number - 1)
        rows = _backward(oven, batch, share=part.counts / len(pictures))
        if part.counts:
            table[firsts[part.place] : firsts[part.place + 1]] = rows
    oven.adapter.train(False)
    oven.processes.sum_gradients(parameters_of(oven.adapter))
    table = oven.processes.sum_numbers(table)
    total = sum(table[0::3]) / len(pictures)
    norm = oven.updater.update() if math.isfinite(total) else math.nan
    if not math.isfinite(norm):
        raise DivergedError(
            f"the loss is no number at step {number} (loss {total}, gradient {norm})",
            hint="lower optimizer.learning_rate, or use train.precision fp32, and begin anew with --restart",
        )
    if oven.ema:
        oven.ema.update(number)
    drawn = tuple(Drawn(*row) for row in zip(pictures, table[2::3], table[1::3], strict=True))
    return Step(number, epoch + 1, total, oven.updater.rate(), time.perf_counter() - started, norm, drawn)


def _backward(oven: Oven, batch: Batch, *, share: float) -> list[float]:
    """Adds each picture's share to the gradients; its loss, bare error and time, one after the other."""
    bare = errors(oven, batch)
    weighted = bare * weights(oven, batch)
    (weighted.sum() * share).backward()  # type: ignore[no-untyped-call]
    rows = torch.stack([weighted.detach().double(), bare.detach().double(), batch.times.double()], dim=1)
    return [float(number) for number in rows.flatten().tolist()]


def make_batch(oven: Oven, draws: Sequence[Draw], *, epoch: int, step: int) -> Batch:
    """What these draws are: each a function of (run seed, picture, epoch, repeat); `step` counts updates done."""
    seed, device, recipe = oven.rules.seed, oven.model.device, oven.recipe
    clean, noise, extra, masks, uniform, prompts, geometry = [], [], [], [], [], [], []
    items = [oven.items[chosen.index] for chosen in draws]
    for item, chosen in zip(items, draws, strict=True):
        name = f"{item.digest}/{chosen.repeat}"
        view = view_of(item, run_seed=seed, name=name, epoch=epoch)
        latent = oven.latents.latent(item, view)
        shape = tuple(latent.mean.shape)
        clean.append(latent.mean + latent.deviation * normal(shape, seed, name, epoch, "latent"))
        drawn = noises.make(shape, recipe.noise, clean=clean[-1], key=(seed, name, epoch))
        noise.append(drawn[0])
        extra.append(drawn[1])
        masks.append(latent.mask)
        uniform.append(unit(seed, name, epoch, "time"))
        key = DrawKey(seed, name, epoch, step, oven.rules.total_steps)
        prompts.append(captions.draw(item.captions, item.subset.captions, tags=oven.tags, key=key))
        geometry.append(geometry_of(item, view))
    times = timesteps.draw(
        torch.tensor(uniform, dtype=torch.float64), recipe.times, path=recipe.path, area_ratio=_areas(recipe, items)
    )
    return Batch(
        clean=torch.stack(clean).to(device),
        noise=torch.stack(noise).to(device),
        extra=torch.stack(extra).to(device),
        times=times.to(device),
        mask=_mask(masks, clean, wanted=recipe.masked, device=device),
        weights=torch.tensor([_weight(recipe, item) for item in items], device=device),
        prompts=tuple(prompts),
        geometry=tuple(geometry),
    )


def losses(oven: Oven, batch: Batch) -> torch.Tensor:
    """The loss of each picture [B]: its error, times its own weight, times that of its noise level."""
    return errors(oven, batch) * weights(oven, batch)


def weights(oven: Oven, batch: Batch) -> torch.Tensor:
    """How much each picture's error counts [B]."""
    return batch.weights * oven.recipe.weights(batch.times).float()


def errors(oven: Oven, batch: Batch) -> torch.Tensor:
    """How far off the network is for each picture [B]."""
    recipe, model = oven.recipe, oven.model
    alpha, sigma = (part.float()[:, None, None, None] for part in recipe.path.coefficients(batch.times))
    noisy = alpha * batch.clean + sigma * (batch.noise + batch.extra)
    # What short prompts are filled up with is remembered, unless it changes.
    empty = None if oven.trains_text else oven.texts.empty()
    condition = model.assemble(_texts(oven, batch.prompts), batch.geometry, empty=empty)
    with _autocast(oven):
        output = model.predict(noisy, batch.times, condition=condition)
    target = recipe.objective.target(batch.clean, batch.noise, alpha=alpha, sigma=sigma)
    return loss_of.per_picture(
        output.float(), target, mask=batch.mask, rule=recipe.loss, times=batch.times, path=recipe.path
    )


def _texts(oven: Oven, prompts: Sequence[str]) -> Sequence[Condition]:
    if not oven.trains_text:
        return oven.texts.texts(prompts)  # in full precision, so that what is kept does not depend on the run's
    with _autocast(oven):
        return oven.model.encode_text(prompts)


def _autocast(oven: Oven) -> torch.autocast:
    return torch.autocast(oven.model.device.type, dtype=torch.bfloat16, enabled=oven.rules.bf16)


def _areas(recipe: Recipe, items: Sequence[Item]) -> torch.Tensor:
    areas = [item.fit.bucket_px[0] * item.fit.bucket_px[1] / recipe.native_area_px for item in items]
    return torch.tensor(areas, dtype=torch.float64)


def _weight(recipe: Recipe, item: Item) -> float:
    return item.loss_weight * (recipe.prior_loss_weight if item.subset.is_reg else 1.0)


def _mask(
    masks: Sequence[torch.Tensor | None], clean: Sequence[torch.Tensor], *, wanted: bool, device: torch.device
) -> torch.Tensor | None:
    """[B, 1, H, W]; a picture without a mask counts everywhere."""
    if not wanted or all(mask is None for mask in masks):
        return None
    whole = [torch.ones(like.shape[1:]) if mask is None else mask for mask, like in zip(masks, clean, strict=True)]
    return torch.stack(whole)[:, None].to(device)
