"""Sites on Moebooru: yande.re, konachan, sakugabooru, lolibooru.

Times are Unix seconds; categories are there where gallery-dl was told to fetch them, among them `circle` (an artist)
and `faults` (meta). A rating `s` is safe. Facts: moebooru/moebooru:app/models/post/api_methods.rb,
mikf/gallery-dl:gallery_dl/extractor/moebooru.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datakit.model.record import Scraped
from datakit.sources.reading.fields import Post
from datakit.sources.reading.site import SAFE_LETTERS, Site


def _is_shape(data: Mapping[str, Any]) -> bool:
    return "is_shown_in_index" in data or (isinstance(data.get("author"), str) and "jpeg_url" in data)


def _read(post: Post) -> Scraped:
    return Scraped(
        post_id=post.post_id("id"),
        urls=post.links("source", "file_url"),
        md5=post.text("md5").lower(),
        rating=post.word(SAFE_LETTERS, "rating"),
        score=post.integer("score"),
        created_at=post.moment("created_at", "date"),
        updated_at=post.moment("updated_at"),
        parent_id=post.post_id("parent_id"),
        has_children=post.flag("has_children"),
        tags=post.by_category("tags"),
    )


SITE = Site(
    name="moebooru",
    title="Moebooru",
    names=("yandere", "konachan", "sakugabooru", "lolibooru"),
    aliases={
        "yande": "yandere",
        "yande.re": "yandere",
        "sakugabooru.com": "sakugabooru",
        "lolibooru.moe": "lolibooru",
        **dict.fromkeys(("konachan.com", "konachan.net", "konachan_net"), "konachan"),
    },
    is_shape=_is_shape,
    read=_read,
)
