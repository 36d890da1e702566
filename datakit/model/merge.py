"""The one three-way merge: stage rebuild, refresh and branch merge all end here. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datakit.model.prose import join_prose, merge_prose, split_prose

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
    """Merge three captions as sets of tags, parted by commas or lines; their prose as text.

    A tag is spelled as in `theirs`, unless ours spells it otherwise than `base` did. Where both sides wrote other
    prose ours stands; `disputes_prose` tells.
    """
    texts, proses = zip(*map(split_prose, (base, ours, theirs)), strict=True)
    sides = [_spelled(text, canonical) for text in texts]
    before, mine, new = sides
    spelling = {**mine, **{tag: word for tag, word in new.items() if mine.get(tag, word) in {before.get(tag), word}}}
    tags = ", ".join(spelling[tag] for tag in merge_tags(*map(list, sides)))
    return join_prose(tags, merge_prose(*proses)[0]) if any(proses) else tags


def disputes_prose(base: str, ours: str, theirs: str) -> bool:
    """Whether both sides changed a caption's prose, differently."""
    return not merge_prose(*(split_prose(text)[1] for text in (base, ours, theirs)))[1]


def merge_records(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """(Three records merged field by field, names of the fields on which both sides differ; ours stands there).

    Tags are sets, category by category. An image that both sides imported keeps the earlier time, and our name of it.
    """
    merged = dict(ours)
    disputes = []
    for name in {*base, *theirs}:
        old, here, there = base.get(name), ours.get(name), theirs.get(name)
        if there in (old, here):
            continue
        if here == old:
            merged[name] = there
        elif name == "tags":
            merged[name] = _merge_categories(old or {}, here or {}, there or {})
        elif name == "edits" and all(isinstance(side or {}, dict) for side in (old, here, there)):
            wishes, sides = merge_records(old or {}, here or {}, there or {})
            merged[name] = wishes or None
            disputes += [f"{name}.{one}" for one in sides]
        elif name == "imported_at" and here and there:
            merged[name] = min(here, there)
        elif name != "original":
            disputes.append(name)
    return {name: value for name, value in merged.items() if value is not None}, sorted(disputes)


def _merge_categories(
    base: Mapping[str, Sequence[str]], ours: Mapping[str, Sequence[str]], theirs: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    merged = {
        name: merge_tags(base.get(name, ()), ours.get(name, ()), theirs.get(name, ())) for name in {**ours, **theirs}
    }
    return {name: tags for name, tags in merged.items() if tags}


def _spelled(text: str, canonical: Callable[[str], str]) -> dict[str, str]:
    """Canonical tag → the word that stands for it, in the text's order."""
    words = (piece.strip() for piece in _BETWEEN.split(text))
    found: dict[str, str] = {}
    for word in filter(None, words):
        found.setdefault(canonical(word), word)
    return found
