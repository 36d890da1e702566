"""How many tokens captions are, counted by their words: CLIP's tokenizer never looks across a blank.

The text is cut at blanks before anything else (openai/CLIP:clip/simple_tokenizer.py), so a caption's tokens are the sum
of those of its words, and ten thousand captions are some thousand words.
"""

from __future__ import annotations

import re
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
        self._count = counter.count

    def __missing__(self, word: str) -> int:
        is_plain = word[-1:] == "," and len(word) > 1 and word[-2].isascii() and word[-2].isalnum()
        number = self[word] = self[word[:-1]] + 1 if is_plain else self._count(word)
        return number

    def of(self, text: str) -> int:
        """The tokens of a text, without the marks at both ends."""
        return sum(map(self.__getitem__, words_of(text)))

    def ends(self, text: str) -> list[int]:
        """For each word, the tokens up to its end."""
        return list(accumulate(map(self.__getitem__, words_of(text))))


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
