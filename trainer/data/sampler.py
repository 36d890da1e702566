"""Which pictures go together, and in which order: a pure function of (seed, epoch).

Every repeat of every picture comes exactly once per epoch; a batch holds one bucket; the last batch of a
bucket may be smaller, never dropped. The order comes from hashes of what the pictures are, so it does not
depend on how the folder was listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.seeds import seed_for


@dataclass(frozen=True)
class Entry:
    """A picture as the sampler sees it."""

    item: str
    """Names the picture in every random draw."""
    group: tuple[int, int, int]
    """Number of its set, width and height of its bucket: only pictures of one group share a batch."""
    num_repeats: int
    batch_size: int


@dataclass(frozen=True)
class Draw:
    """One repeat of one picture."""

    index: int
    """Of the picture in the list given to `batches`."""
    repeat: int


def batches(entries: Sequence[Entry], *, seed: int, epoch: int) -> list[tuple[Draw, ...]]:
    """The epoch's batches, in order."""
    groups: dict[tuple[int, int, int], list[Draw]] = {}
    for index, entry in enumerate(entries):
        groups.setdefault(entry.group, []).extend(Draw(index, repeat) for repeat in range(entry.num_repeats))
    keyed = []
    for group in sorted(groups):
        draws = sorted(
            groups[group],
            key=lambda draw: (seed_for(seed, entries[draw.index].item, epoch, "order", draw.repeat), draw.index),
        )
        size = entries[draws[0].index].batch_size
        for number, start in enumerate(range(0, len(draws), size)):
            place = seed_for(seed, *group, epoch, "batch-order", number)
            keyed.append((place, tuple(draws[start : start + size])))
    return [batch for _, batch in sorted(keyed, key=lambda pair: pair[0])]


def num_batches(entries: Sequence[Entry]) -> int:
    """Batches per epoch, without drawing them."""
    counts: dict[tuple[int, int, int], int] = {}
    sizes: dict[tuple[int, int, int], int] = {}
    for entry in entries:
        counts[entry.group] = counts.get(entry.group, 0) + entry.num_repeats
        sizes[entry.group] = entry.batch_size
    return sum(-(-count // sizes[group]) for group, count in counts.items())


def steps_of(batch_list: Sequence[tuple[Draw, ...]], accumulation: int) -> list[tuple[tuple[Draw, ...], ...]]:
    """Groups batches into optimizer steps; the epoch's last step may hold fewer."""
    return [tuple(batch_list[start : start + accumulation]) for start in range(0, len(batch_list), accumulation)]
