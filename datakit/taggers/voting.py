"""Several taggers' tags for one image, as one. Pure.

A tagger votes only on tags that it knows: one that was never taught a tag cannot speak against it, so an e621 tagger
does not vote down a character that only a Danbooru tagger knows. What counts as known is the list of its labels, as
canonical names, in the categories that it may give tags of at all.

- `max`: what any tagger took, with the best score: the most tags, and every tagger's mistakes.
- `mean`: the mean score of those that know the tag. It is taken when that reaches the mean of their thresholds, so one
  that is sure outweighs one that just about missed it.
- `at-least`: what at least N taggers took, or all that know the tag where they are fewer; with the mean score of those
  that took it. The fewest mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from datakit.taggers.thresholds import Selector

How = Literal["max", "mean", "at-least"]


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """What one tagger says of one image."""

    taken: Mapping[str, float]
    """Canonical name → score of the tags that it would give."""
    known: Mapping[str, int]
    """Canonical name → place in `scores` and `bars` of all tags that it could have given."""
    scores: NDArray[np.float32]
    """Of all its labels."""
    bars: NDArray[np.float64]
    """What each score had to reach."""


def ballot_of(selector: Selector, scores: NDArray[np.float32]) -> Ballot:
    """The vote of the tagger that gave `scores`."""
    return Ballot(taken=selector.select(scores), known=selector.known, scores=scores, bars=selector.bars(scores))


def vote(ballots: Sequence[Ballot], how: How, *, least: int = 2) -> dict[str, float]:
    """Canonical name → score of the tags that are taken, the likeliest first.

    `least` is the N of `at-least`; at least 1.
    """
    names = dict.fromkeys(name for ballot in ballots for name in ballot.taken)
    found = {name: score for name in names if (score := _score(name, ballots, how, max(1, least))) is not None}
    return dict(sorted(found.items(), key=lambda tag: -tag[1]))


def _score(name: str, ballots: Sequence[Ballot], how: How, least: int) -> float | None:
    """None where the tag is not taken."""
    took = [ballot.taken[name] for ballot in ballots if name in ballot.taken]
    if how == "max":
        return max(took)
    able = [ballot for ballot in ballots if name in ballot.taken or name in ballot.known]
    if how == "at-least":
        return sum(took) / len(took) if len(took) >= min(least, len(able)) else None
    marks = [_marks(name, ballot) for ballot in able]
    mean, bar = (sum(numbers) / len(numbers) for numbers in zip(*marks, strict=True))
    return mean if mean >= bar else None


def _marks(name: str, ballot: Ballot) -> tuple[float, float]:
    """A tagger's score for a tag, and its threshold: that of the tag it came with, such as a character's series, is
    its score."""
    if name not in ballot.known:
        return ballot.taken[name], ballot.taken[name]
    place = ballot.known[name]
    score = ballot.taken.get(name, float(ballot.scores[place]))
    return score, min(float(ballot.bars[place]), 1.0)
