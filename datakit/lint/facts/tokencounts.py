"""How many tokens captions are, counted by their words: CLIP's tokenizer never looks across a blank.

The text is cut at blanks before anything else (openai/CLIP:clip/simple_tokenizer.py), so a caption's tokens are the sum
of those of its words, and ten thousand captions are some thousand words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate
from typing import Final

from datakit.lint.context import TokenCounter
from datakit.tags.captions import BAR

_SEPARATORS: Final = re.compile("[\x1c-\x1f]")
"""Blanks for Python, and none for the tokenizer."""


class WordCounts(dict[str, int]):
    """Word → its tokens; a word that was not asked before is counted."""

    def __init__(self, counter: TokenCounter) -> None:
        super().__init__()
        self._counter = counter
        self._parts = _Parts(self)

    def __missing__(self, word: str) -> int:
        number = self[word] = self[word[:-1]] + 1 if _is_plain(word) else self._counter.count(word)
        return number

    def learn(self, pieces: Iterable[str]) -> None:
        """Count the words of pieces at once, and the last of each with a comma too; no piece is blank."""
        words: set[str] = set()
        for piece in pieces:
            if piece.isascii() and piece.isprintable():
                *before, last = piece.split()
                words.update(before, (last, f"{last},"))
        new = [word for word in words if word not in self and not _is_plain(word)]
        self.update(zip(new, self._counter.counts(new), strict=True))

    def of(self, text: str) -> int:
        """The tokens of a text, without the marks at both ends."""
        *parts, last = text.split(", ")
        return sum(map(self._parts.__getitem__, parts)) + self.sum_of(last)

    def sum_of(self, text: str) -> int:
        """The same, word by word."""
        return sum(map(self.__getitem__, words_of(text)))

    def ends(self, text: str) -> list[int]:
        """For each word, the tokens up to its end."""
        return list(accumulate(map(self.__getitem__, words_of(text))))


class _Parts(dict[str, int]):
    """What stands before a comma and a blank → its tokens with that comma: tags come again as often as words."""

    def __init__(self, words: WordCounts) -> None:
        super().__init__()
        self._words = words

    def __missing__(self, part: str) -> int:
        number = self[part] = self._words.sum_of(f"{part},")
        return number


def _is_plain(word: str) -> bool:
    """Whether a word ends in a comma that is a token of its own."""
    return word[-1:] == "," and len(word) > 1 and word[-2].isascii() and word[-2].isalnum()


def words_of(text: str) -> list[str]:
    """What stands between blanks."""
    return text.split() if _SEPARATORS.search(text) is None else re.split(r"[^\S\x1c-\x1f]+", text.strip(" \t\r\n"))


def trained_text(text: str) -> str:
    """A caption without bars, which trainers take out."""
    return text.replace(BAR, " ") if BAR in text else text


@lru_cache(maxsize=2)
def word_counts(counter: TokenCounter) -> WordCounts:
    """The counts that all rules share."""
    return WordCounts(counter)
