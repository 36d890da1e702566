"""Tags with a namespace, `character:hatsune miku`, as hydrus and imgbrd-grabber write them, sorted into categories.

Only namespaces that are known are taken off; another one, and what merely looks like one (`:d`, `re:zero`), stays
part of the tag. Facts: hydrusnetwork/hydrus:hydrus/core/HydrusTags.py,
Bionus/imgbrd-grabber:src/lib/src/tags/tag.cpp.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from datakit.sources.reading.fields import canonical
from datakit.sources.reading.site import SAFE_WORDS

CATEGORY_OF: Final = {
    **dict.fromkeys(("artist", "creator", "circle", "group", "mangaka", "origin"), "artist"),
    **dict.fromkeys(("character", "person", "model", "idol", "oc"), "character"),
    **dict.fromkeys(("copyright", "series", "parody", "studio", "game"), "copyright"),
    **dict.fromkeys(("species",), "species"),
    **dict.fromkeys(("general", "unknown"), "general"),
    **dict.fromkeys(("meta", "medium", "metadata", "photo_set", "language", "style", "lore", "contributor"), "meta"),
}
"""Namespace → category."""
NOT_TAGS: Final = frozenset({"title", "page", "chapter", "volume", "filename", "rating", "source", "uploader", "site"})
"""Namespaces that tell something else; it stays in the record's `upstream`."""
NAMESPACES: Final = frozenset({*CATEGORY_OF, *NOT_TAGS})
_RATINGS: Final = {**SAFE_WORDS, "explicit": "explicit"}


class Labels(msgspec.Struct, frozen=True):
    """Tags by category, and what else the namespaces tell."""

    tags: dict[str, tuple[str, ...]]
    rating: str = ""
    """One of RATINGS, or '' where the word means different things on different sites (`s`) or is missing."""
    urls: tuple[str, ...] = ()


def namespace_of(text: str) -> str:
    """The known namespace that a tag has; '' for none."""
    name, colon, rest = text.strip().partition(":")
    name = name.strip().lower()
    return name if colon and rest.strip() and name in NAMESPACES else ""


def sort_tags(texts: Iterable[str]) -> Labels:
    """Sort tags, each with or without a namespace, into categories; addresses among them become urls."""
    sorted_: dict[str, list[str]] = {}
    ratings: list[str] = []
    urls: dict[str, None] = {}
    for text in filter(None, map(str.strip, texts)):
        name = namespace_of(text)
        rest = text.partition(":")[2].strip() if name else text
        if text.lower().startswith(("http://", "https://")):
            urls[text] = None
        elif name == "rating":
            ratings.append(_RATINGS.get(rest.lower(), ""))
        elif name not in NOT_TAGS:
            sorted_.setdefault(CATEGORY_OF.get(name, "general"), []).append(rest)
    tags = {category: found for category, names in sorted_.items() if (found := canonical(names))}
    return Labels(tags, next(filter(None, ratings), ""), tuple(urls))
