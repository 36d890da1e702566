"""The lives of an item's name: one item may have had it, been deleted, and left it to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from datakit.model.order import RAW
from datakit.repo.dataset import Dataset
from datakit.repo.past.itemlog import NOTHING, Held, State, Step, walk


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


def read_past(dataset: Dataset, key: str, start: bytes | None = None) -> Past:
    """Look a name up in the history of a commit (default: HEAD)."""
    head = start or dataset.head
    if head is None:
        return Past({}, [], [])
    steps = list(walk(dataset, key, start=head))
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


def is_same_item(dataset: Dataset, now: str, then: str, commit: bytes) -> bool:
    """Whether what is called `now` in HEAD is the item that a commit, of any branch, has as `then`.

    It is where the two ever were one image. Names that have no image are one item.
    """
    sides = [lives(read_past(dataset, now).moments), lives(read_past(dataset, then, commit).moments)]
    newest_lives = [found[0] for found in sides if found]
    marks = {_mark([moment.state for moment in life]) for life in newest_lives}
    mark = marks.pop() if len(marks) == 1 else _Mark(in_raw=False, images_only=True)
    contents = [{blob for moment in life for blob in mark(moment.state)} for life in newest_lives]
    return len(contents) < 2 or not all(contents) or bool(contents[0] & contents[1])


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
