"""Sites on szurubooru, each with categories of its own making.

`safety` is safe, sketchy (read as questionable) or unsafe (explicit). Facts:
mikf/gallery-dl:gallery_dl/extractor/szurubooru.py, rr-/szurubooru:doc/API.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.model.record import Scraped
from datakit.sources.reading.fields import CATEGORY_WORDS, Post, in_order
from datakit.sources.reading.site import Site

_SAFETY: Final = {"safe": "general", "sketchy": "questionable", "unsafe": "explicit"}


def _is_shape(data: Mapping[str, Any]) -> bool:
    return "checksumMD5" in data or ("safety" in data and "contentUrl" in data)


def _read(post: Post) -> Scraped:
    return Scraped(
        post_id=post.post_id("id"),
        urls=post.links("source", "contentUrl"),
        md5=post.text("checksumMD5").lower(),
        rating=post.word(_SAFETY, "safety"),
        score=post.integer("score"),
        favorites=post.integer("favoriteCount"),
        created_at=post.moment("creationTime", "date"),
        updated_at=post.moment("lastEditTime"),
        tags=_tags(post),
    )


def _tags(post: Post) -> dict[str, tuple[str, ...]]:
    rows = post.data.get("tags")
    typed = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    if not typed:
        return post.by_category("tags")
    words = ((str(row.get("category")).rpartition("_")[2].lower(), row) for row in typed)
    return in_order((CATEGORY_WORDS.get(word, "general"), Post({"tags": [row]}).tags("tags")) for word, row in words)


SITE = Site(
    name="szurubooru",
    title="szurubooru",
    names=("bcbnsfw", "snootbooru", "visuabusters", "ricardoadacor"),
    aliases={"booru.bcbnsfw.space": "bcbnsfw", "snootbooru.com": "snootbooru"},
    is_shape=_is_shape,
    read=_read,
)
