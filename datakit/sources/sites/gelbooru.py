"""gelbooru.com, by its JSON API.

Tags keep the API's HTML entities; categories are there where gallery-dl was told to fetch them, as texts such as
`tags_metadata`. Ratings are words. A parent 0 is none; truth values are texts. Facts:
mikf/gallery-dl:gallery_dl/extractor/gelbooru.py and what the API sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datakit.model.record import Scraped
from datakit.sources.reading.fields import Post
from datakit.sources.reading.site import SENSITIVE_LETTERS, Site


def _is_shape(data: Mapping[str, Any]) -> bool:
    return "directory" in data and "image" in data and "md5" in data and "hash" not in data


def _read(post: Post) -> Scraped:
    return Scraped(
        post_id=post.post_id("id"),
        urls=post.links("source", "file_url"),
        md5=post.text("md5").lower(),
        rating=post.word(SENSITIVE_LETTERS, "rating"),
        score=post.integer("score"),
        created_at=post.moment("created_at", "date"),
        updated_at=post.moment("change"),
        parent_id=post.post_id("parent_id"),
        has_children=post.flag("has_children"),
        tags=post.by_category("tags"),
    )


SITE = Site(
    name="gelbooru",
    title="Gelbooru",
    names=("gelbooru",),
    aliases={"gelbooru.com": "gelbooru"},
    is_shape=_is_shape,
    read=_read,
)
