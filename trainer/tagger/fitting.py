"""The training loop: each step's pictures and changes follow from the seed and its number, so a run can go on."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody calls it
from torch import Generator, Tensor

from trainer import state
from trainer.errors import DivergedError, InterruptedRun, StateError
from trainer.progress import Reporter
from trainer.seeds import seed_for
from trainer.state import Progress
from trainer.tagger.augmenting import Shown, augmented
from trainer.tagger.network import Tagger
from trainer.tagger.pictures import Pictures, matches
from trainer.tagger.settings import TaggerConfig, decisive

_WARM_UP = 0.05
_MOST_WEIGHT = 6.0
_CLIP = 2.0
_LOWER = "lower train.learning_rate, and begin anew with --restart"


@dataclass(frozen=True)
class Truth:
    """What is true of pictures, as numbers for the loss."""

    tags: tuple[str, ...]
    is_true: Tensor
    """float32 [N, tags]; of see-through pictures what is true without a ground."""
    on_white: Tensor
    """float32 [tags]: 1 for what white makes true of a see-through picture."""
    is_ground: Tensor
    """bool [tags]: what nobody knows of a see-through picture on another ground."""
    is_colour: Tensor
    """bool [tags]: what nobody knows of a picture of turned colours."""
    may_mirror: Tensor
    """bool [N]."""


@dataclass
class Fitting:
    """All that changes while it learns."""

    network: Tagger
    average: Tagger
    optimizer: torch.optim.AdamW
    step: int = 0
    pictures: str = ""
    """Digest of what it learns from."""
    losses: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0
    told: list[list[float]] = field(default_factory=list)
    """[step, mean loss since the one before]."""
    sums: list[float] = field(default_factory=lambda: [0.0, 0])
    """Sum and number of losses not yet told."""


def truth_of(pictures: Pictures, tags: Sequence[str], config: TaggerConfig) -> Truth:
    """The numbers of these pictures."""
    data, place = config.data, {tag: index for index, tag in enumerate(tags)}
    is_true = torch.zeros(len(pictures), len(tags))
    for row, own in enumerate(pictures.tags):
        is_true[row, [place[tag] for tag in sorted(own) if tag in place]] = 1
    sided = config.augment.one_sided
    return Truth(
        tags=tuple(tags),
        is_true=is_true,
        on_white=torch.tensor([float(tag in data.on_white) for tag in tags]),
        is_ground=torch.tensor([matches(tag, data.unknown_elsewhere) for tag in tags]),
        is_colour=torch.tensor([matches(tag, data.of_colour) for tag in tags]),
        may_mirror=torch.tensor([not any(matches(tag, sided) for tag in own) for own in pictures.tags]),
    )


def wanted_of(truth: Truth, rows: Tensor, shown: Shown) -> tuple[Tensor, Tensor]:
    """What is true of these rows as they are shown, float32 [rows, tags], and whether anybody knows, bool."""
    wanted = torch.maximum(truth.is_true[rows], shown.on_white[:, None] * truth.on_white)
    return wanted, ~(shown.elsewhere[:, None] & truth.is_ground | shown.turned[:, None] & truth.is_colour)


def start(config: TaggerConfig, num_tags: int, *, pictures: str = "") -> Fitting:
    """A new network; `pictures` is the digest of what it will learn from."""
    torch.manual_seed(seed_for(config.train.seed, "weights"))
    network = Tagger(config.network.widths, num_tags, dropout=config.network.dropout)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).requires_grad_(False).eval()
    flat = [value for value in network.parameters() if value.ndim < 2]
    deep = [value for value in network.parameters() if value.ndim >= 2]
    groups = [{"params": deep, "weight_decay": config.train.weight_decay}, {"params": flat, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.train.learning_rate, betas=(0.9, 0.99))
    return Fitting(network, average, optimizer, pictures=pictures)


def fit(
    fitting: Fitting,
    pictures: Pictures,
    truth: Truth,
    *,
    config: TaggerConfig,
    reporter: Reporter,
    stop: Callable[[], bool],
) -> None:
    """Trains to the end. Raises InterruptedRun once `stop` says so, its state saved, and DivergedError."""
    train, folder = config.train, Path(config.output.state)
    weights = _weights(truth.is_true, train.rare)
    saved = time.monotonic()
    reporter.begin("training", done=fitting.step, total=train.steps)
    try:
        while fitting.step < train.steps:
            loss = _step(fitting, pictures, truth, config=config, weights=weights)
            if not math.isfinite(loss):
                raise DivergedError(f"the loss is {loss} at step {fitting.step}", hint=_LOWER)
            reporter.advance(loss=fitting.losses[1])
            wished, late = stop(), time.monotonic() - saved > 60 * train.checkpoint_minutes
            if wished or late or fitting.step == train.steps:
                save(fitting, folder, config)
                saved = time.monotonic()
            if wished and fitting.step < train.steps:
                raise InterruptedRun(
                    f"stopped after step {fitting.step} of {train.steps}", hint="run the same command to go on"
                )
    finally:
        reporter.end()


def save(fitting: Fitting, folder: Path, config: TaggerConfig) -> None:
    """Writes a checkpoint in place of the ones before. Raises WriteError."""
    progress = Progress(
        fitting.step,
        fitting.losses,
        fitting.seconds,
        settings=decisive(config),
        watch={"told": fitting.told, "sums": fitting.sums, "pictures": fitting.pictures},
    )
    moments = fitting.optimizer.state_dict()["state"]
    tensors = {
        "network": fitting.network.state_dict(),
        "average": fitting.average.state_dict(),
        "optimizer": {f"{number}.{name}": value for number, own in moments.items() for name, value in own.items()},
    }
    state.save(folder, progress, tensors, {})
    state.prune(folder, 1)


def resume(fitting: Fitting, folder: Path, config: TaggerConfig) -> bool:
    """Takes up the last checkpoint; whether there was one. Raises StateError where it is of another run or pictures."""
    found = state.latest(folder)
    if found is None:
        return False
    state.refuse_other(found.progress, decisive(config), folder=folder)
    if found.progress.watch.get("pictures", fitting.pictures) != fitting.pictures:
        raise StateError(
            f"{folder}: its checkpoint at step {found.progress.step} learnt from other pictures or tags",
            hint="put them back as they were, or throw the checkpoint away with --restart",
        )
    fitting.network.load_state_dict(found.tensors["network"])
    fitting.average.load_state_dict(found.tensors["average"])
    moments: dict[int, dict[str, Any]] = {}
    for key, value in found.tensors["optimizer"].items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value
    fitting.optimizer.load_state_dict({**fitting.optimizer.state_dict(), "state": moments})
    fitting.step, fitting.losses = found.progress.step, found.progress.losses
    fitting.seconds = found.progress.seconds
    fitting.told, fitting.sums = found.progress.watch["told"], found.progress.watch["sums"]
    return True


def _step(fitting: Fitting, pictures: Pictures, truth: Truth, *, config: TaggerConfig, weights: Tensor) -> float:
    began, train, step = time.monotonic(), config.train, fitting.step
    generator = Generator().manual_seed(seed_for(train.seed, "step", step))
    rows = _rows(len(pictures), step, config)
    shown = augmented(
        pictures.pixels[rows],
        pictures.paints[rows],
        may_mirror=truth.may_mirror[rows],
        size_px=config.network.size_px,
        how=config.augment,
        generator=generator,
    )
    wanted, known = wanted_of(truth, rows, shown)
    for group in fitting.optimizer.param_groups:
        group["lr"] = train.learning_rate * _rate(step, train.steps)
    # Dropout draws from the global generator.
    torch.manual_seed(seed_for(train.seed, "dropout", step))
    fitting.network.train()
    logits = fitting.network((shown.pictures * 2 - 1).contiguous(memory_format=torch.channels_last))
    losses = F.binary_cross_entropy_with_logits(logits, wanted, pos_weight=weights, reduction="none")
    loss = (losses * known).sum() / known.sum()
    fitting.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(fitting.network.parameters(), _CLIP)
    fitting.optimizer.step()
    _follow(fitting, min(train.ema, (1 + step) / (10 + step)))
    number = loss.item()
    _remember(fitting, number, time.monotonic() - began, every=max(1, train.steps // 100))
    return number


def _rows(count: int, step: int, config: TaggerConfig) -> Tensor:
    """Every picture once in each epoch; a batch may reach over the border of two."""
    batch = config.train.batch
    orders: dict[int, Tensor] = {}
    found = []
    for place in range(step * batch, (step + 1) * batch):
        epoch, at = divmod(place, count)
        if epoch not in orders:
            generator = Generator().manual_seed(seed_for(config.train.seed, "order", epoch))
            orders[epoch] = torch.randperm(count, generator=generator)
        found.append(orders[epoch][at])
    return torch.stack(found)


def _rate(step: int, steps: int) -> float:
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _weights(is_true: Tensor, power: float) -> Tensor:
    share = is_true.mean(0).clamp(1e-4, 1 - 1e-4)
    return ((1 - share) / share).pow(power).clamp(1.0, _MOST_WEIGHT)


@torch.no_grad()
def _follow(fitting: Fitting, keep: float) -> None:
    now = fitting.network.state_dict()
    for name, value in fitting.average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], 1 - keep)
        else:
            value.copy_(now[name])


def _remember(fitting: Fitting, loss: float, seconds: float, *, every: int) -> None:
    fitting.step += 1
    fitting.seconds += seconds
    first = loss if fitting.step == 1 else fitting.losses[0]
    fitting.losses = (first, loss)
    fitting.sums = [fitting.sums[0] + loss, fitting.sums[1] + 1]
    if fitting.step % every == 0:
        fitting.told.append([fitting.step, round(fitting.sums[0] / fitting.sums[1], 5)])
        fitting.sums = [0.0, 0]
