"""Which images are held back to validate with: the same ones each time, whatever else comes to the dataset."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

_SPACE: Final = 1 << 64


def held_back(families: Mapping[str, str], share: float) -> frozenset[str]:
    """The items that are held back.

    Whole families go: what was cut from one picture, or is one post, would else be trained and validated with. Each
    concept gives at least one family where it has four or more, and never all of them.

    Args:
        families: item key → what it hangs together with; its concept is what stands before the last `/`.
        share: of each concept's families, from 0 to under 1.
    """
    if share <= 0:
        return frozenset()
    by_concept: defaultdict[str, set[str]] = defaultdict(set)
    for key, family in families.items():
        by_concept[key.rpartition("/")[0]].add(family)
    chosen = {family for concept in by_concept.values() for family in _chosen(concept, share)}
    for _, members in sorted(by_concept.items()):
        if members <= chosen:  # another concept chose what this one kept
            chosen.discard(max(members, key=_place))
    return frozenset(key for key, family in families.items() if family in chosen)


def _chosen(families: set[str], share: float) -> list[str]:
    """Those whose place on a ring of hashes is low; so many, and so few, that there is something on both sides."""
    ranked = sorted(families, key=_place)
    low = [family for family in ranked if _place(family) < share * _SPACE]
    least = 1 if len(families) >= 4 else 0
    number = min(max(len(low), least), len(families) - 1)
    return ranked[:number]


def _place(family: str) -> int:
    return int.from_bytes(hashlib.sha256(family.encode("utf-8", "backslashreplace")).digest()[:8])
