"""Texts that are lists of tags, written by programs whose separator their user chose."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from datakit.sources.reading.namespaces import namespace_of

_SEPARATORS: Final = ("||||", "\n", ", ", ",", "; ", ";", " | ", "|", "\t")
_BLANKS: Final = re.compile(r"\s+")
_PROSE: Final = frozenset(
    ("a", "an", "the", "of", "with", "and", "in", "on", "at", "is", "are", "to", "by", "from", "her", "his")
)
"""Words that no tag consists of, and hardly a sentence does without."""
_ARTICLES: Final = frozenset(("a", "an", "the"))
_BLANK_AFTER: Final = re.compile(r"^[^:]*:\s")
_MAX_TAG: Final = 100
_MAX_TAG_WORDS: Final = 6


def split_list(text: str) -> tuple[str, list[str]]:
    """(separator, pieces) of a list of tags: by `||||`, lines, commas and the like, else by blanks.

    Lines that hold commas are appended lists, not tags. Pieces are stripped; each is kept once.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    present = [one for one in _SEPARATORS if one in text]
    is_lines = len(lines) > 1 and not any("," in line or "||||" in line for line in lines)
    if is_lines and all(is_joined(line) for line in lines):
        return " ", once(_BLANKS.split(text))
    if is_lines:
        return "\n", once(lines)
    separator = next((one for one in present if one != "\n"), "")
    if not separator:
        return " ", once(_BLANKS.split(text))
    return separator, once(piece for line in lines for piece in line.split(separator))


def once(pieces: Iterable[str]) -> list[str]:
    """Pieces without blanks around them, each once, no empty one."""
    return list(dict.fromkeys(filter(None, map(str.strip, pieces))))


def is_joined(text: str) -> bool:
    """Whether a line is tags with underscores that blanks join: `long_hair solo blue_eyes`; prose has none."""
    pieces = _BLANKS.split(text.strip())
    if len(pieces) < 2 or "," in text or text != text.lower() or is_prose(text):
        return False
    return any("_" in piece.strip("_") for piece in pieces)


def is_prose(text: str) -> bool:
    """Whether one of the words is one that no tag consists of."""
    return not _PROSE.isdisjoint(_BLANKS.split(text))


def is_taglike(line: str) -> bool:
    """Whether a line may be one tag with blanks: short, in lower case, no sentence."""
    if len(line) > _MAX_TAG or line != line.lower() or line.endswith((".", "!", ";")):
        return False
    if namespace_of(line) and not namespaced([line]):
        return False
    words = line.split()
    return len(words) <= _MAX_TAG_WORDS and not (len(words) > 1 and words[0] in _ARTICLES)


def namespaced(pieces: Iterable[str]) -> list[str]:
    """The known namespaces of the pieces, as programs write them: with no blank after the colon, as people do."""
    return [found for piece in pieces if (found := namespace_of(piece)) and not _BLANK_AFTER.search(piece)]
