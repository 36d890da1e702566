"""The one three-way merge: stage rebuild, refresh and branch merge all end here. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence


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
    """Merge three comma-separated captions as sets of tags, keeping each side's spelling of its own tags."""
    spelling: dict[str, str] = {}

    def names(text: str) -> list[str]:
        found = []
        for piece in text.split(","):
            if word := piece.strip():
                spelling.setdefault(canonical(word), word)
                found.append(canonical(word))
        return found

    mine = names(ours)
    merged = merge_tags(names(base), mine, names(theirs))
    return ", ".join(spelling[tag] for tag in merged)
