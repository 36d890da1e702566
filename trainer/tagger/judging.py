"""How good a tagger is: a threshold for each tag, and F1. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_LOWEST, _HIGHEST = 0.1, 0.9
_STEPS = 161
_ABOUT = 0.005
"""F1 that is no worse than the best."""


@dataclass(frozen=True)
class TagScore:
    """How well one tag is told."""

    tag: str
    positives: int
    precision: float
    recall: float
    f1: float


def thresholds(scores: Floats, truth: Bools, known: Bools) -> list[float]:
    """For each tag the middle of the thresholds at which its F1 is about the best; all arrays are [N, tags].

    Where nothing separates the scores any threshold between them will do, and the middle is the safest.
    Scores are compared in float32, as whoever reads the thresholds will.
    """
    grid = np.linspace(_LOWEST, _HIGHEST, _STEPS).astype(np.float32)
    found = []
    for tag in range(scores.shape[1]):
        use = known[:, tag]
        of_grid = np.array([_f1(scores[use, tag] > bar, truth[use, tag])[2] for bar in grid])
        good = np.flatnonzero(of_grid >= of_grid.max() - _ABOUT)
        best = int(of_grid.argmax())
        low = high = best
        while low - 1 in good:
            low -= 1
        while high + 1 in good:
            high += 1
        found.append(round(float(grid[(low + high) // 2]), 4))
    return found


def judge(taken: Bools, truth: Bools, *, tags: Sequence[str], known: Bools, least: int) -> list[TagScore]:
    """Each tag that is on `least` pictures or more, where it is known."""
    rows = []
    for index, tag in enumerate(tags):
        use = known[:, index]
        positives = int(truth[use, index].sum())
        if positives >= least:
            precision, recall, f1 = _f1(taken[use, index], truth[use, index])
            rows.append(TagScore(tag, positives, precision, recall, f1))
    return rows


def macro_f1(rows: Sequence[TagScore]) -> float:
    """The mean over tags; 0 where there is none."""
    return float(np.mean([row.f1 for row in rows])) if rows else 0.0


def as_json(rows: Sequence[TagScore]) -> dict[str, Any]:
    """For result.json, numbers with 4 digits."""
    told = {
        row.tag: {
            "positives": row.positives,
            "precision": round(row.precision, 4),
            "recall": round(row.recall, 4),
            "f1": round(row.f1, 4),
        }
        for row in rows
    }
    return {"macro_f1": round(macro_f1(rows), 4), "tags": told}


def _f1(taken: Bools, truth: Bools) -> tuple[float, float, float]:
    right = float((taken & truth).sum())
    precision = right / taken.sum() if taken.any() else 0.0
    recall = right / truth.sum() if truth.any() else 0.0
    return float(precision), float(recall), 2 * right / max(float(taken.sum() + truth.sum()), 1.0)
