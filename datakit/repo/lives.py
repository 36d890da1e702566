"""The lives of an item's name: one item may have had it, been deleted, and left it to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from datakit.model.order import RAW
from datakit.repo.dataset import Dataset
from datakit.repo.itemlog import NOTHING, Held, State, Step, walk


class Moment(NamedTuple):
    """An item as it stood from one operation to the next."""

    commit: bytes
    """The newest at which it stood so."""
    key: str
    """What it was called."""
    state: State


class Past(NamedTuple):
    """All that the branch knows of a name, newest first."""

    now: State
    moments: list[Moment]
    """The first is HEAD's."""
    steps: list[Step]

    @property
    def renamed_to(self) -> str:
        """What the item that had the name is called since, where it is missing for that reason; else ''."""
        return self.steps[0].renamed_to if self.steps and not self.now else ""


Life = list[Moment]
"""Moments of one item, newest first; the first ones may be of after its end."""


def read_past(dataset: Dataset, key: str) -> Past:
    """Look a name up in the history of the branch."""
    head = dataset.head
    if head is None:
        return Past({}, [], [])
    steps = list(walk(dataset, key))
    now = steps[0].after if steps else {}
    moments = [Moment(head, key, now)]
    moments += [Moment(step.parent, step.was, step.before) for step in steps if step.parent is not None]
    return Past(now, moments, steps)


def lives(moments: Iterable[Moment]) -> list[Life]:
    """The items that had a name one after the other, newest first.

    A life ends where raw has no image of the name; where the next one begins with an image that the first one had, it
    is the same life. Names that raw never had go by what any stage has.
    """
    moments = list(moments)
    mark = _mark([moment.state for moment in moments])
    found: list[Life] = []
    after: Life = []
    is_alive = False
    for moment in moments:
        if not mark(moment.state):
            after.append(moment)
            is_alive = False
            continue
        if is_alive:
            found[-1].append(moment)
        else:
            found.append([*after, moment])
        after, is_alive = [], True
    return _joined(found, mark)


def was_ever_so(dataset: Dataset, key: str, state: State) -> bool:
    """Whether the item that has a name now once had the images of `state`; without images, whether it is there."""
    found = lives(read_past(dataset, key).moments)
    mark = _mark([state, *(moment.state for life in found for moment in life)])
    images = mark(state)
    return not images or not found or any(mark(moment.state) & images for moment in found[0])


class _Mark(NamedTuple):
    """What tells whether, and as what, an item is there."""

    in_raw: bool
    images_only: bool

    def __call__(self, state: State) -> frozenset[bytes]:
        held = [state.get(RAW, NOTHING)] if self.in_raw else state.values()
        return frozenset(
            blob for one in held for blob in (_images(one) if self.images_only else one.files("").values())
        )


def _images(held: Held) -> list[bytes]:
    return [blob for _, blob in held.images]


def _mark(states: Iterable[State]) -> _Mark:
    marks = (_Mark(in_raw=True, images_only=True), _Mark(in_raw=False, images_only=True))
    states = list(states)
    return next(
        (mark for mark in marks if any(mark(state) for state in states)), _Mark(in_raw=False, images_only=False)
    )


def _joined(segments: Iterable[Life], mark: _Mark) -> list[Life]:
    found: list[Life] = []
    contents: list[set[bytes]] = []
    for segment in segments:
        content = {blob for moment in segment for blob in mark(moment.state)}
        if contents and contents[-1] & content:
            found[-1] += segment
            contents[-1] |= content
        else:
            found.append(list(segment))
            contents.append(content)
    return found


def newest(life: Life, stages: Iterable[str]) -> Mapping[str, Moment]:
    """Stage → the newest moment in which the item was there: its image, or without one, anything of it."""
    found: dict[str, Moment] = {}
    for stage in stages:
        there = [moment for moment in life if stage in moment.state]
        images = (moment for moment in there if moment.state[stage].images)
        best = next(images, there[0] if there else None)
        if best is not None:
            found[stage] = best
    return found
