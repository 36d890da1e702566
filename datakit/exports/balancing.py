"""Repeats that are worked out: by the sizes of concepts, or by how rare an image's tags are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

from datakit.exports.settings import Balance

MOST_REPEATS: Final = 50
"""More would show a handful of images so often that they are learnt by heart."""
MOST_BY_TAGS: Final = 5
"""The most that rare tags raise one image's repeats by: its common tags are repeated with them."""


def balanced(balance: Balance, sizes: Mapping[str, int], *, repeats: int = 1) -> dict[str, int]:
    """Concept → repeats, from how many images each has; at least 1, at most `MOST_REPEATS`.

    `concepts`: the largest keeps `repeats`, the others are shown about as often altogether. `images`: each concept is
    shown about so many times in an epoch.
    """
    if not sizes:
        return {}
    goal = balance.images if balance.by == "images" else max(sizes.values()) * repeats
    return {concept: min(max(1, _rounded(goal, size)), MOST_REPEATS) for concept, size in sizes.items() if size}


def balanced_by_tags(tags: Mapping[str, Collection[str]], *, repeats: int = 1) -> dict[str, int]:
    """Item → repeats, from its tags: the square root of how much rarer its rarest third of tags is than the usual tag.

    Tags that only one image has say nothing about the others and are left out. The root is what word2vec's subsampling
    of frequent words takes (Mikolov et al. 2013, arXiv:1310.4546, equation 5).
    """
    counts = Counter(tag for words in tags.values() for tag in set(words))
    shared = {tag: number for tag, number in counts.items() if number > 1}
    if not shared:
        return dict.fromkeys(tags, repeats)
    usual = sorted(shared.values())[len(shared) // 2]
    return {key: repeats * _raised(words, shared, usual) for key, words in tags.items()}


def _raised(words: Collection[str], shared: Mapping[str, int], usual: int) -> int:
    rare = sorted(shared[tag] for tag in set(words) if tag in shared)
    third = rare[: max(1, len(rare) // 3)]
    if not third:
        return 1
    mean = sum(third) / len(third)
    return min(max(1, round(math.sqrt(usual / mean))), MOST_BY_TAGS)


def _rounded(goal: int, size: int) -> int:
    """Half up, so that 3 of 2 is 2 whatever the number."""
    return (2 * goal + size) // (2 * size)
