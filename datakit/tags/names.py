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
_BARE_PARENTHESIS: Final = re.compile(r"(?<!\\)(?:\\\\)*[()]")
_ESCAPED: Final = re.compile(r"\\([\\()])")


@lru_cache(maxsize=_CACHED_NAMES)
def to_prompt(tag: str) -> str:
    """The spelling of a canonical name in a prompt: `long_hair` → `long hair`, `^_^` → `^_^`."""
    return tag if tag in KAOMOJI else tag.replace("_", " ")


@lru_cache(maxsize=_CACHED_NAMES)
def to_canonical(text: str) -> str:
    r"""The canonical name of a tag however it is spelled; '' when nothing is left.

    Undoes `to_prompt`, HTML entities (`&gt;_&lt;`, as gelbooru sends them) and escaped parentheses
    (`name_\(series\)`). Parentheses count as escaped only when all of them are: `\(^o^)/` is a tag of its own.
    A canonical name stays as it is.
    """
    name = _normalise(text)
    while (again := _normalise(name)) != name:
        name = again
    return name


def _normalise(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    if "\\" in text:
        text = _unescape(text)
    return _GAP.sub("_", text.lower()).strip("_")


def _unescape(text: str) -> str:
    has_parenthesis = "(" in text or ")" in text
    if not has_parenthesis or _BARE_PARENTHESIS.search(text):
        return text
    return _ESCAPED.sub(r"\1", text)
