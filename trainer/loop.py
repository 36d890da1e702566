"""The training loop: one step after the other, the same whatever the family, objective and adapter.

Shapes: B pictures of a batch, [B, C, H, W] latents. A step's loss is the mean over all its pictures, so that
two batches accumulated weigh like one of twice the size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch

from trainer.contracts import Attached, Model, Objective
from trainer.data.cache import LatentCache
from trainer.data.captions import draw
from trainer.data.items import Item
from trainer.data.sampler import Draw, Entry, batches, num_batches, steps_of
from trainer.errors import DivergedError
from trainer.seeds import normal, unit


@dataclass(frozen=True)
class Rules:
    """The numbers of the loop."""

    seed: int
    gradient_accumulation: int
    max_grad_norm: float
    bf16: bool


@dataclass(frozen=True)
class Oven:
    """All that a step needs."""

    model: Model
    objective: Objective
    adapter: Attached
    optimizer: torch.optim.Optimizer
    items: Sequence[Item]
    cache: LatentCache
    rules: Rules


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


@dataclass(frozen=True)
class Batch:
    """Tensors of one batch, on the model's device."""

    clean: torch.Tensor
    noise: torch.Tensor
    times: torch.Tensor
    prompts: tuple[str, ...]
    items: tuple[Item, ...]


def entries(items: Sequence[Item]) -> list[Entry]:
    """The pictures as the sampler sees them."""
    return [
        Entry(item.digest, (item.set_number, *item.fit.bucket_px), item.subset.num_repeats, item.set.batch_size)
        for item in items
    ]


def steps_per_epoch(items: Sequence[Item], gradient_accumulation: int) -> int:
    """Optimizer updates that one pass takes."""
    return -(-num_batches(entries(items)) // gradient_accumulation)


def train(oven: Oven, *, done: int, total: int, stop: Callable[[], bool]) -> Iterator[Step]:
    """Yields each step from `done` + 1 to `total`; ends early, between steps, once `stop()` is true.

    Raises DivergedError, naming the step, where the loss or its gradient is no number; nothing is updated then.
    """
    for number, epoch, draws in _plan(oven, done):
        if number > total or stop():
            return
        yield _step(oven, number, epoch=epoch, draws=draws)


def _plan(oven: Oven, done: int) -> Iterator[tuple[int, int, tuple[tuple[Draw, ...], ...]]]:
    """Number, epoch and batches of each step after `done`, without end."""
    seen, accumulation = entries(oven.items), oven.rules.gradient_accumulation
    first_epoch, skip = divmod(done, steps_per_epoch(oven.items, accumulation))
    number = done
    for epoch in count(first_epoch):
        steps = steps_of(batches(seen, seed=oven.rules.seed, epoch=epoch), accumulation)
        for draws in steps[skip if epoch == first_epoch else 0 :]:
            number += 1
            yield number, epoch, draws


def _step(oven: Oven, number: int, *, epoch: int, draws: tuple[tuple[Draw, ...], ...]) -> Step:
    started = time.perf_counter()
    num_pictures = sum(len(batch) for batch in draws)
    total = 0.0
    for chosen in draws:
        loss = losses(oven, make_batch(oven, chosen, epoch=epoch)).sum() / num_pictures
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    parameters = list(oven.adapter.parameters())
    limit = oven.rules.max_grad_norm or math.inf
    norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
    if not (math.isfinite(total) and math.isfinite(norm.item())):
        raise DivergedError(
            f"the loss is no number at step {number} (loss {total}, gradient {norm.item()})",
            hint="lower optimizer.learning_rate, or use precision fp32; the last checkpoint is unharmed",
        )
    oven.optimizer.step()
    oven.optimizer.zero_grad(set_to_none=True)
    rate = float(oven.optimizer.param_groups[0]["lr"])
    return Step(number, epoch + 1, total, rate, time.perf_counter() - started)


def make_batch(oven: Oven, draws: Sequence[Draw], *, epoch: int) -> Batch:
    """Latents, noise, times and prompts of these draws; each a function of (run seed, picture, epoch, repeat)."""
    seed, device = oven.rules.seed, oven.model.device
    clean, noise, uniform, prompts = [], [], [], []
    for chosen in draws:
        item = oven.items[chosen.index]
        name = f"{item.digest}/{chosen.repeat}"
        flip = item.subset.flip_aug and unit(seed, name, epoch, "flip") < 0.5
        latent = oven.cache.latent(item, flip=flip)
        shape = tuple(latent.mean.shape)
        clean.append(latent.mean + latent.deviation * normal(shape, seed, name, epoch, "latent"))
        noise.append(normal(shape, seed, name, epoch, "noise"))
        uniform.append(unit(seed, name, epoch, "time"))
        prompts.append(draw(item.caption, item.subset.captions, run_seed=seed, item=name, epoch=epoch))
    times = oven.objective.draw_times(torch.tensor(uniform, dtype=torch.float64))
    return Batch(
        clean=torch.stack(clean).to(device),
        noise=torch.stack(noise).to(device),
        times=times.to(device),
        prompts=tuple(prompts),
        items=tuple(oven.items[chosen.index] for chosen in draws),
    )


def losses(oven: Oven, batch: Batch) -> torch.Tensor:
    """The loss of each picture [B]: mean squared error over its latent, times the objective's weight."""
    objective = oven.objective
    alpha, sigma = (part.float()[:, None, None, None] for part in objective.coefficients(batch.times))
    noisy = alpha * batch.clean + sigma * batch.noise
    condition = oven.model.condition(batch.prompts, [item.geometry for item in batch.items])
    with torch.autocast(oven.model.device.type, dtype=torch.bfloat16, enabled=oven.rules.bf16):
        output = oven.model.predict(noisy, batch.times, condition=condition)
    target = objective.target(batch.clean, batch.noise, times=batch.times)
    errors = (output.float() - target).square().mean(dim=(1, 2, 3))
    return errors * objective.weight(batch.times).float()
