"""Tag names: one canonical spelling, and the spelling that models read.

The canonical name is Danbooru's: lower case, words joined by single underscores, nothing escaped, no comma.
A prompt has spaces for the underscores, except in emoticons: `long hair`, but `^_^`. Which tags are emoticons is
a list, never a rule about length: `ak_5` and `m_k` are ordinary names, `(o)_(o)` is not.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Final

KAOMOJI: Final = frozenset(
    (
        *("0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9"),
        *(">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||"),
        *("t_t", "o_x"),
    )
)
"""Emoticons that keep their underscore. The first 19 are the taggers' common list (SmilingWolf's wd-tagger,
deepghs/imgutils:imgutils/tagging/format.py); the last two are Danbooru tags that it lacks."""

_CACHED_NAMES: Final = 1 << 18
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_GAP: Final = re.compile(r"[\s_,\x00-\x1f\x7f\u200b\ufeff]+")
_BARE_ROUND: Final = re.compile(r"(?<!\\)(?:\\\\)*[()]")
_BARE_SQUARE: Final = re.compile(r"(?<!\\)(?:\\\\)*[\[\]]")
_ESCAPED_ROUND: Final = re.compile(r"\\([\\()])")
_ESCAPED_SQUARE: Final = re.compile(r"\\([\\\[\]])")
_ESCAPED: Final = re.compile(r"\\([\\()\[\]])")


@lru_cache(maxsize=_CACHED_NAMES)
def to_prompt(tag: str) -> str:
    """The spelling of a canonical name in a prompt: `long_hair` → `long hair`, `^_^` → `^_^`."""
    return tag if tag in KAOMOJI else tag.replace("_", " ")


@lru_cache(maxsize=_CACHED_NAMES)
def to_canonical(text: str) -> str:
    r"""The canonical name of a tag however it is spelled; '' when nothing is left.

    Undoes `to_prompt`, HTML entities (`&gt;_&lt;`, as gelbooru sends them) and escaped brackets (`name_\(series\)`).
    Brackets count as escaped only when all of their kind are: `\(^o^)/` is a tag of its own.
    A canonical name stays as it is. To read text that was written for one program, `escaping.unescape` it first.
    """
    name = _normalise(text)
    while (again := _normalise(name)) != name:
        name = again
    return name


def _normalise(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    if "\\" in text:
        text = unescaped(text)
    return _GAP.sub("_", text.lower()).strip("_")


def unescaped(text: str) -> str:
    """One tag without the escapes of its brackets.

    Round and square brackets each count as escaped when all of their kind are: ComfyUI knows the round alone.
    """
    is_round = ("(" in text or ")" in text) and not _BARE_ROUND.search(text)
    is_square = ("[" in text or "]" in text) and not _BARE_SQUARE.search(text)
    if is_round and is_square:
        return _ESCAPED.sub(r"\1", text)
    if is_round:
        return _ESCAPED_ROUND.sub(r"\1", text)
    return _ESCAPED_SQUARE.sub(r"\1", text) if is_square else text
