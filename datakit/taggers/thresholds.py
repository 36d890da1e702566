"""Which of a tagger's scores become tags. Pure.

By category: a fixed threshold, as the model's card or its tools have it, or MCut, which cuts at the widest gap between
neighbouring scores (Largeron, Moulin and Gery: "MCut: a thresholding strategy for multi-label classification", 2012)
as SmilingWolf's space does. The rating is never one of the tags: it is the likeliest of its labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from datakit.taggers.labels import Labels
from datakit.taggers.spec import RATING, Spec

Floats = NDArray[np.float32]

LEAST_MCUT: Final = {"character": 0.15}
"""MCut never goes below, by category (the space has it for characters): without any there is a gap all the same."""
_NEVER: Final = math.inf


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """How tags are chosen."""

    thresholds: dict[str, float]
    """Category → threshold; tags of any other category are not taken."""
    inclusive: bool = False
    """Whether a score that equals the threshold is enough."""
    mcut: tuple[str, ...] = ()
    """Categories whose threshold is the image's own instead."""
    own: bool = True
    """Whether a label's own threshold, where its file has one, goes before that of its category."""
    series: bool = True
    """Whether a character brings along the series that its file names, with the character's score."""
    most: int = 0
    """At most so many tags, the best; 0 for all."""


def selection_for(
    spec: Spec, *, thresholds: Mapping[str, float] | None = None, mcut: tuple[str, ...] = (), most: int = 0
) -> Selection:
    """The spec's own way, with a person's `thresholds` instead of the model's where there are some.

    A threshold over 1 turns a category off. A category that a person set counts as set for each of its labels.
    """
    asked = dict(thresholds or {})
    return Selection(
        thresholds={**spec.thresholds, **asked}, inclusive=spec.inclusive, mcut=mcut, own=not asked, most=most
    )


class Selector:
    """Chooses tags of many images of one tagger: what depends on the labels alone is worked out once."""

    def __init__(self, labels: Labels, how: Selection, *, has_rating: bool = True) -> None:
        self.labels = labels
        self.how = how
        self._ratings = _of_category(labels, RATING) if has_rating else _of_category(labels, "no such category")
        self._cut = {name: _of_category(labels, name) for name in how.thresholds if name in how.mcut}
        self._fixed = _fixed(labels, how)

    @cached_property
    def known(self) -> dict[str, int]:
        """Canonical name → its first label, of all tags that could be taken."""
        names = zip(self.labels.names, self.labels.categories, strict=True)
        found: dict[str, int] = {}
        for index, (name, category) in enumerate(names):
            if name and category != RATING and category in self.how.thresholds:
                found.setdefault(name, index)
        return found

    def bars(self, scores: Floats) -> NDArray[np.float64]:
        """What each label's score has to reach: infinity for those that are never taken."""
        if not self._cut:
            return self._fixed
        bars = self._fixed.copy()
        for category, indices in self._cut.items():
            bars[indices] = max(LEAST_MCUT.get(category, 0.0), mcut(scores[indices]))
        return bars

    def select(self, scores: Floats) -> dict[str, float]:
        """Canonical name → score of the tags that are taken, the likeliest first; `scores` is one for each label.

        Of labels that share a name the best score counts. Ratings are left out.
        """
        bars, names = self.bars(scores), self.labels.names
        passed = scores >= bars if self.how.inclusive else scores > bars
        taken = np.flatnonzero(passed & (scores > 0))  # 0 is no score, whatever the threshold
        found: dict[str, float] = {}
        for index in taken[np.argsort(-scores[taken], kind="stable")]:
            found.setdefault(names[index], float(scores[index]))
        found.pop("", None)
        if self.how.series and self.labels.series:
            found = _with_series(found, self.labels.series)
        return dict(list(found.items())[: self.how.most or None])

    def rating(self, scores: Floats) -> tuple[str, float] | None:
        """The likeliest rating and its score; None where the tagger knows none."""
        if not len(self._ratings):
            return None
        best = int(self._ratings[int(np.argmax(scores[self._ratings]))])
        return self.labels.names[best], float(scores[best])


def selector_for(
    spec: Spec,
    labels: Labels,
    *,
    thresholds: Mapping[str, float] | None = None,
    mcut: tuple[str, ...] = (),
    most: int = 0,
) -> Selector:
    """The spec's own way of choosing, as `selection_for`."""
    how = selection_for(spec, thresholds=thresholds, mcut=mcut, most=most)
    return Selector(labels, how, has_rating=spec.rating == "argmax")


def select(scores: Floats, labels: Labels, how: Selection) -> dict[str, float]:
    """One image's tags, as `Selector.select`."""
    return Selector(labels, how).select(scores)


def mcut(scores: Floats) -> float:
    """The middle of the widest gap between neighbouring scores; above every score where there are fewer than two."""
    if len(scores) < 2:
        return _NEVER
    falling = np.sort(scores.astype(np.float64))[::-1]
    at = int(np.argmax(falling[:-1] - falling[1:]))
    return float((falling[at] + falling[at + 1]) / 2)


def _fixed(labels: Labels, how: Selection) -> NDArray[np.float64]:
    """The thresholds of all labels whose category has a fixed one."""
    bars = np.full(len(labels.names), _NEVER)
    for category, threshold in how.thresholds.items():
        if category in how.mcut or category == RATING:
            continue
        indices = _of_category(labels, category)
        bars[indices] = threshold
        if how.own and labels.thresholds is not None:
            own = np.asarray(labels.thresholds)[indices]
            bars[indices] = np.where(np.isnan(own), threshold, own)
    bars.setflags(write=False)
    return bars


def _with_series(found: Mapping[str, float], series: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """With the series of each character, whose score is that of the likeliest one; still the likeliest first."""
    best = dict(found)
    for name, score in found.items():
        for tag in series.get(name, ()):
            best[tag] = max(score, best.get(tag, 0.0))
    return dict(sorted(best.items(), key=lambda tag: -tag[1]))


def _of_category(labels: Labels, category: str) -> NDArray[np.intp]:
    return np.flatnonzero(np.array([one == category for one in labels.categories], bool))
