"""Captions made of tags: read from any of the usual layouts, written in one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from datakit.tags.names import to_canonical, to_prompt

SEPARATOR: Final = ", "
_BETWEEN_TAGS: Final = re.compile(r"[,\r\n]")


def parse_tags(text: str, *, keep_duplicates: bool = False) -> tuple[str, ...]:
    """Canonical names of a caption's tags, in its order.

    Reads `a_b, c_d`, `a b, c d` and one tag a line; empty places are left out. A tag that comes again is left out
    too, unless `keep_duplicates`.
    """
    found = filter(None, map(to_canonical, _BETWEEN_TAGS.split(text)))
    return tuple(found) if keep_duplicates else tuple(dict.fromkeys(found))


def spell_tags(text: str) -> dict[str, str]:
    """Canonical name → how the caption writes it, in the caption's order."""
    found: dict[str, str] = {}
    for piece in _BETWEEN_TAGS.split(text):
        found.setdefault(to_canonical(piece), piece.strip())
    found.pop("", None)
    return found


def format_canonical(tags: Iterable[str]) -> str:
    """`a_b, c_d`: the caption of canonical names."""
    return SEPARATOR.join(tags)


def format_prompt(tags: Iterable[str], *, keep_underscores: bool = False) -> str:
    """`a b, c d`: the caption as models read it; emoticons keep their underscore, and `keep_underscores` all."""
    return SEPARATOR.join(tags if keep_underscores else map(to_prompt, tags))
