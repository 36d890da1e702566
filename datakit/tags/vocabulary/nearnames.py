"""Names that a tag which nobody knows may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Final

from datakit.tags.vocabulary.known import Vocabulary

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789_-'()!"
_MOST_LETTERS: Final = 60
"""Longer words are no misspelled tags."""
_LIKENESS: Final = 0.75


def near_names(vocabulary: Vocabulary, tag: str, *, limit: int = 5) -> tuple[str, ...]:
    """Known names most like `tag`: one letter off or known as an alias that is, then those that hold it, then alike."""
    if not tag or len(tag) > _MOST_LETTERS:
        return ()
    one_off = {vocabulary.canonical(word) for word in _one_letter_off(tag)}
    found = dict.fromkeys(_by_use(vocabulary, {name for name in one_off if name in vocabulary}))
    for more in (_holding(vocabulary, tag), _alike(vocabulary, tag)):
        if len(found) < limit:
            found |= dict.fromkeys(more)
    found.pop(tag, None)
    return tuple(found)[:limit]


def _by_use(vocabulary: Vocabulary, names: set[str]) -> list[str]:
    return sorted(names, key=lambda name: (-vocabulary.count(name), name))


def _one_letter_off(tag: str) -> Iterator[str]:
    for at in range(len(tag) + 1):
        before, after = tag[:at], tag[at:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
        for letter in _LETTERS:
            yield before + letter + after
            yield before + letter + after[1:]


def _holding(vocabulary: Vocabulary, tag: str) -> list[str]:
    return [name for name in vocabulary.names() if tag in name] if len(tag) > 2 else []


def _alike(vocabulary: Vocabulary, tag: str) -> list[str]:
    """As difflib sees it, of the names that begin as the tag does and are about as long."""
    known = [name for name in vocabulary.names() if name[:1] == tag[:1] and abs(len(name) - len(tag)) <= 2]
    return difflib.get_close_matches(tag, known, n=5, cutoff=_LIKENESS)
