"""Captions made of tags, with prose behind them where there is some: read from any of the usual layouts, written in
one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from datakit.model.prose import join_prose, split_prose
from datakit.tags.names import to_canonical, to_prompt

__all__ = [
    "BAR",
    "SEPARATOR",
    "format_canonical",
    "format_prompt",
    "is_prose",
    "join_prose",
    "looks_like_prose",
    "may_be_prose",
    "parse_tags",
    "spell_tags",
    "split_prose",
    "tags_in",
    "without_blank_lines",
]

SEPARATOR: Final = ", "
BAR: Final = "|||"
"""Where trainers find the tags that stay in their places; no tag itself."""
_BETWEEN_TAGS: Final = re.compile(r"[,\r\n]")
_BLANK_LINES: Final = re.compile(r"(?:\r?\n[^\S\n]*)+\n")
_SENTENCE_END: Final = re.compile(r"""[^\W\d_]{2,}[.!?][)"'\u201d\u2019]*(?:\s|$)""")
_WIDE_SENTENCE_END: Final = "\u3002"
_GLUE: Final = frozenset(
    {
        *("a", "an", "the", "is", "are", "was", "has", "have", "with", "and", "his", "her", "their", "its"),
        *("while", "who", "that", "which", "there", "this", "wearing", "standing", "sitting", "holding"),
    }
)
"""Words of sentences that a list of tags hardly has."""
_NO_MARKS: Final = dict.fromkeys(map(ord, ".,;:!?()\"'"), " ")
_LONG_PIECE: Final = 5.0
_SHORT_PIECE: Final = 2.0
"""Words between two commas, in the mean: of sentences, and at least where something ends like one."""


def parse_tags(text: str, *, keep_duplicates: bool = False) -> tuple[str, ...]:
    """Canonical names of a caption's tags, in its order.

    Reads `a_b, c_d`, `a b, c d` and one tag a line; empty places are left out, and prose. A tag that comes again is
    left out too, unless `keep_duplicates`.
    """
    found = filter(None, map(to_canonical, _BETWEEN_TAGS.split(split_prose(text)[0])))
    return tuple(found) if keep_duplicates else tuple(dict.fromkeys(found))


def tags_in(text: str) -> tuple[str, ...]:
    """Canonical names of a caption's tags, each once; bars are none."""
    return parse_tags(text.replace(BAR, ","))


def spell_tags(text: str) -> dict[str, str]:
    """Canonical name → how the caption writes it, in the caption's order; prose is left out."""
    found: dict[str, str] = {}
    for piece in _BETWEEN_TAGS.split(split_prose(text)[0]):
        found.setdefault(to_canonical(piece), piece.strip())
    found.pop("", None)
    return found


def looks_like_prose(text: str) -> bool:
    """Whether a caption is sentences rather than a list of tags: by its length between commas, by how it ends, and by
    words that tags hardly have. `a photo of a dog` is; `1girl, hand on own hip, looking at viewer` is not."""
    return may_be_prose(text) and is_prose(text)


def may_be_prose(text: str) -> bool:
    """Whether a text has a word, or an end, as sentences have; where it is False, of a caption or of all its pieces
    between commas and line ends, `looks_like_prose` is, and few lists of tags have one."""
    return _WIDE_SENTENCE_END in text or not _GLUE.isdisjoint(text.lower().translate(_NO_MARKS).split())


def is_prose(text: str) -> bool:
    """As `looks_like_prose`, of a text that may be prose."""
    if _WIDE_SENTENCE_END in text:
        return True
    lower = text.lower()
    words = lower.split()
    pieces = len(list(filter(None, map(str.strip, lower.replace("\r", ",").replace("\n", ",").split(",")))))
    if not pieces or len(words) < _SHORT_PIECE * pieces:
        return False
    if len(words) < _LONG_PIECE * pieces and _SENTENCE_END.search(text) is None:
        return False
    return not _GLUE.isdisjoint(word.strip(".,;:!?()\"'") for word in words)


def without_blank_lines(text: str) -> str:
    """A list of tags in which blank lines part tags, and no prose from them."""
    return _BLANK_LINES.sub("\n", text).strip()


def format_canonical(tags: Iterable[str]) -> str:
    """`a_b, c_d`: the caption of canonical names."""
    return SEPARATOR.join(tags)


def format_prompt(tags: Iterable[str], *, keep_underscores: bool = False) -> str:
    """`a b, c d`: the caption as models read it; emoticons keep their underscore, and `keep_underscores` all."""
    return SEPARATOR.join(tags if keep_underscores else map(to_prompt, tags))
