"""Which pictures go together, and in which order: a pure function of (seed, epoch).

Every repeat of every training picture comes exactly once per epoch; a batch holds one bucket; the last batch of a
bucket may be smaller, never dropped. The order comes from hashes of what the pictures are, so it does not
depend on how the folder was listed.

Regularization pictures: an epoch draws as many of a set's as it has training draws
(kohya-ss/sd-scripts:library/train_util.py, DreamBoothDataset). sd-scripts takes the first ones as often as needed and
never the surplus; here they take turns, so that after any number of epochs two repeats of one bucket have been drawn
equally often, or one of them once more. How many a bucket gives is the same in every epoch, its share of all repeats
by largest remainder, so every epoch has the same number of batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer.seeds import seed_for

Group = tuple[int, int, int]
"""Number of a set, width and height of a bucket."""


@dataclass(frozen=True)
class Entry:
    """A picture as the sampler sees it."""

    item: str
    """Names the picture in every random draw."""
    group: Group
    """Only pictures of one group share a batch."""
    num_repeats: int
    """Of a regularization picture: how often it is drawn, relative to the others."""
    batch_size: int
    is_reg: bool = False


@dataclass(frozen=True)
class Draw:
    """One repeat of one picture."""

    index: int
    """Of the picture in the list given to `batches`."""
    repeat: int
    """Counts the picture's draws in this epoch, from 0."""


def batches(entries: Sequence[Entry], *, seed: int, epoch: int) -> list[tuple[Draw, ...]]:
    """The epoch's batches, in order."""
    groups: dict[Group, list[Draw]] = {}
    for index, entry in enumerate(entries):
        if not entry.is_reg:
            groups.setdefault(entry.group, []).extend(Draw(index, repeat) for repeat in range(entry.num_repeats))
    for group, num in reg_quotas(entries).items():
        if not num:
            continue
        groups.setdefault(group, []).extend(_turns(entries, group, num, seed=seed, epoch=epoch))
    sizes = _batch_sizes(entries)
    keyed = []
    for group in sorted(groups):
        draws = sorted(
            groups[group],
            key=lambda draw: (seed_for(seed, entries[draw.index].item, epoch, "order", draw.repeat), draw.index),
        )
        for number, start in enumerate(range(0, len(draws), sizes[group])):
            place = seed_for(seed, *group, epoch, "batch-order", number)
            keyed.append((place, tuple(draws[start : start + sizes[group]])))
    return [batch for _, batch in sorted(keyed, key=lambda pair: pair[0])]


def num_batches(entries: Sequence[Entry]) -> int:
    """Batches per epoch, the same in every one, without drawing them."""
    counts = Counter(reg_quotas(entries))
    for entry in entries:
        if not entry.is_reg:
            counts[entry.group] += entry.num_repeats
    sizes = _batch_sizes(entries)
    return sum(-(-count // sizes[group]) for group, count in counts.items())


def reg_quotas(entries: Sequence[Entry]) -> dict[Group, int]:
    """Regularization draws of each bucket in one epoch; 0 for a bucket too small to get one, ever."""
    num_train: Counter[int] = Counter()
    held: dict[int, Counter[Group]] = {}
    for entry in entries:
        if entry.is_reg:
            held.setdefault(entry.group[0], Counter())[entry.group] += entry.num_repeats
        else:
            num_train[entry.group[0]] += entry.num_repeats
    return {
        group: num
        for number in sorted(held)
        for group, num in _largest_remainder(held[number], num_train[number]).items()
    }


def steps_of(batch_list: Sequence[tuple[Draw, ...]], accumulation: int) -> list[tuple[tuple[Draw, ...], ...]]:
    """Groups batches into optimizer steps; the epoch's last step may hold fewer."""
    return [tuple(batch_list[start : start + accumulation]) for start in range(0, len(batch_list), accumulation)]


def _batch_sizes(entries: Sequence[Entry]) -> dict[Group, int]:
    return {entry.group: entry.batch_size for entry in entries}


def _largest_remainder(weights: Mapping[Group, int], total: int) -> dict[Group, int]:
    """`total` shared out in proportion to `weights`, in whole numbers (Hamilton's method)."""
    whole = sum(weights.values())
    if not whole:
        return {}
    shares = {group: total * weight // whole for group, weight in sorted(weights.items())}
    left = total - sum(shares.values())
    by_remainder = sorted(shares, key=lambda group: (-(total * weights[group] % whole), group))
    return {group: share + (group in by_remainder[:left]) for group, share in shares.items()}


def _turns(entries: Sequence[Entry], group: Group, num: int, *, seed: int, epoch: int) -> list[Draw]:
    """The next `num` of an endless row of rounds, in each of which every repeat comes once, in an order of its own."""
    slots = [
        (index, repeat)
        for index, entry in enumerate(entries)
        if entry.is_reg and entry.group == group
        for repeat in range(entry.num_repeats)
    ]
    first = epoch * num
    drawn: list[Draw] = []
    times: Counter[int] = Counter()
    for number in range(first // len(slots), -(-(first + num) // len(slots))):
        row = _round(entries, slots, seed=seed, number=number)
        start = number * len(slots)
        for index in row[max(0, first - start) : first + num - start]:
            drawn.append(Draw(index, times[index]))
            times[index] += 1
    return drawn


def _round(entries: Sequence[Entry], slots: Sequence[tuple[int, int]], *, seed: int, number: int) -> list[int]:
    def place(slot: tuple[int, int]) -> tuple[int, int]:
        return seed_for(seed, entries[slot[0]].item, "reg-order", number, slot[1]), slot[0]

    return [index for index, _ in sorted(slots, key=place)]
