"""Words of findings: lists that stay short, names that fit into a line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_NUM_SHOWN: Final = 3
_MAX_LETTERS: Final = 40


def listed(words: Iterable[str]) -> str:
    """`a, b, c and 2 more`; long words are cut."""
    found = [shortened(word) for word in words]
    more = f" and {len(found) - _NUM_SHOWN} more" if len(found) > _NUM_SHOWN else ""
    return ", ".join(found[:_NUM_SHOWN]) + more


def shortened(word: str) -> str:
    """A word of at most 40 letters."""
    return word if len(word) <= _MAX_LETTERS else f"{word[: _MAX_LETTERS - 1]}…"


def counted(number: int, word: str) -> str:
    """`1 image`, `1,200 images`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
