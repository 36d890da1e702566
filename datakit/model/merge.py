"""The one three-way merge: stage rebuild, refresh and branch merge all end here. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_BETWEEN = re.compile(r"[,\r\n]")


def merge_tags(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """ours + (theirs − base) − (base − theirs), each tag once, in our order.

    A new tag stands behind the nearest tag before it in `theirs` that we have, or first when there is none.
    Source: the set edit of danbooru/danbooru:app/logical/post_edit.rb.
    """
    removed = set(base) - set(theirs)
    merged = [tag for tag in dict.fromkeys(ours) if tag not in removed]
    have, known = set(merged), set(base)
    previous: str | None = None
    for tag in dict.fromkeys(theirs):
        if tag not in have and tag not in known:
            merged.insert(merged.index(previous) + 1 if previous is not None else 0, tag)
            have.add(tag)
        if tag in have:
            previous = tag
    return merged


def merge_captions(base: str, ours: str, theirs: str, *, canonical: Callable[[str], str]) -> str:
    """Merge three captions as sets of tags, parted by commas or lines.

    A tag is spelled as in `theirs`, unless ours spells it otherwise than `base` did.
    """
    sides = [_spelled(text, canonical) for text in (base, ours, theirs)]
    before, mine, new = sides
    spelling = {**mine, **{tag: word for tag, word in new.items() if mine.get(tag, word) in {before.get(tag), word}}}
    return ", ".join(spelling[tag] for tag in merge_tags(*map(list, sides)))


def _spelled(text: str, canonical: Callable[[str], str]) -> dict[str, str]:
    """Canonical tag → the word that stands for it, in the text's order."""
    words = (piece.strip() for piece in _BETWEEN.split(text))
    found: dict[str, str] = {}
    for word in filter(None, words):
        found.setdefault(canonical(word), word)
    return found
