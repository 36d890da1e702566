"""What pictures show, told by the tagger, and how far its word is to be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from datakit.taggers.finding import find_tagger
from datakit.taggers.preprocess import prepare
from datakit.taggers.session import Session
from datakit.taggers.thresholds import selector_for

from .contract import Ask, Claim, Measure
from .intervals import Interval, of_share

MOST_WRONG = 0.1
"""A measure whose yes or whose no the tagger gets wrong more often than this is not judged."""


class Judge:
    """The tagger, loaded once."""

    def __init__(self, name: str, *, root: Path) -> None:
        """By name or path, as `dsk caption` finds it. Raises ConfigError, StateError, InputError."""
        found = find_tagger(name, root=root)
        self._session = Session(found, provider="cpu", threads=1)
        self._selector = selector_for(found.spec, self._session.labels)
        self.digest = found.digest

    def tags(self, images: Sequence[Image.Image]) -> list[list[str]]:
        """Of each picture the tags that the tagger sees, sorted."""
        wanted, size_px = self._session.found.spec.input, self._session.size_px
        scores = self._session.run(np.stack([prepare(image, wanted, size_px) for image in images]))
        return [sorted(self._selector.select(row)) for row in scores]

    @property
    def known(self) -> frozenset[str]:
        """Every tag that it can tell."""
        return frozenset(self._selector.known)


@dataclass(frozen=True)
class Trust:
    """How often the tagger says yes, of pictures where yes and where no is true."""

    yes: tuple[int, int]
    """Said, of all that are."""
    no: tuple[int, int]
    """Said all the same, of all that are not."""

    @property
    def is_enough(self) -> bool:
        """Whether both kinds of mistakes are rare, of pictures that could have shown them."""
        (hits, yes), (alarms, no) = self.yes, self.no
        return yes > 0 and no > 0 and hits >= (1 - MOST_WRONG) * yes and alarms <= MOST_WRONG * no

    def intervals(self) -> tuple[Interval | None, Interval | None]:
        """Of how often yes is said where it is true, and where it is not; None where nothing was asked."""
        return (of_share(*self.yes) if self.yes[1] else None, of_share(*self.no) if self.no[1] else None)


def trust(
    measure: Measure, asked: Sequence[str], truth: Sequence[Sequence[str]], said: Sequence[Sequence[str]]
) -> Trust:
    """Of one measure, by pictures whose `truth` is known; `asked` are the tags that prompts of its group name."""
    groups = [measure.tags] if measure.kind == "all" else [(tag,) for tag in asked]
    yes, no = [0, 0], [0, 0]
    for true, seen in zip(truth, said, strict=True):
        for tags in groups:
            counter = yes if set(tags) <= set(true) else no
            counter[0] += set(tags) <= set(seen)
            counter[1] += 1
    return Trust((yes[0], yes[1]), (no[0], no[1]))


def asked_tags(measure: Measure, asks: Sequence[Ask]) -> tuple[str, ...]:
    """The tags that prompts of a measure's group name, sorted."""
    return tuple(sorted({tag for ask in asks if ask.group == measure.group for tag in ask.asked}))


def unknown_tags(claim: Claim, judge: Judge, *, seed: int) -> tuple[str, ...]:
    """Tags that the claim measures and the tagger cannot tell."""
    wanted: set[str] = set()
    for measure in claim.measures:
        if measure.is_share:
            wanted |= set(measure.tags) or set(asked_tags(measure, claim.asks(seed)))
    return tuple(sorted(wanted - judge.known))
