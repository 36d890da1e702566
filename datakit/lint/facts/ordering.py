"""Which image a caption stands for by its place in the order, where its name says nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

_NUMBER: Final = re.compile("([0-9]+)")
_MOST_DIGITS: Final = 18
"""A longer run of digits is no place in an order."""


def by_order(stems: Iterable[str], captioned: Collection[str], *, orphans: Iterable[str]) -> dict[str, str]:
    """Orphan → the image without a caption at the same place between two pairs that belong together.

    Between two neighbouring pairs, or one and an end of the folder, there must be as many orphans as such images.

    Args:
        stems: of the folder's images.
        captioned: those of them that have a caption.
        orphans: stems of the folder's captions without an image.
    """
    rows = sorted([*((_place(stem), 0, stem) for stem in stems), *((_place(stem), 1, stem) for stem in set(orphans))])
    found: dict[str, str] = {}
    bare: list[str] = []
    lone: list[str] = []
    num_pairs = 0
    for _, is_orphan, stem in rows:
        if is_orphan:
            lone.append(stem)
        elif stem not in captioned:
            bare.append(stem)
        else:
            found |= _paired(lone, bare)
            num_pairs += 1
            bare, lone = [], []
    return found | (_paired(lone, bare) if num_pairs else {})


def _paired(lone: list[str], bare: list[str]) -> dict[str, str]:
    return dict(zip(lone, bare, strict=True)) if len(lone) == len(bare) else {}


def _place(stem: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers by their value, so that 9 comes before 10."""
    parts = filter(None, _NUMBER.split(stem.casefold()))
    return tuple((0, int(part), "") if _is_number(part) else (1, 0, part) for part in parts)


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS
