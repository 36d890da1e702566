"""Danbooru and its kin: danbooru.donmai.us with its mirrors, aibooru, atfbooru, booruvar.

Tags come by category, as `tag_string_general` (text) or `tags_general` (list); in dumps in the style of Danbooru2021 as
a list of objects with name and number of category. A rating `s` is sensitive; in those dumps, which are older than
that rating, it is safe. Facts: danbooru/danbooru:app/models/post.rb, app/logical/tag_category.rb,
mikf/gallery-dl:gallery_dl/extractor/danbooru.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.model.record import Scraped
from datakit.sources.reading.fields import Post, canonical, in_order
from datakit.sources.reading.site import SAFE_LETTERS, SENSITIVE_LETTERS, Site

_NUMBERS: Final = {"0": "general", "1": "artist", "3": "copyright", "4": "character", "5": "meta"}


def _is_dump(data: Mapping[str, Any]) -> bool:
    tags = data.get("tags")
    first = tags[0] if isinstance(tags, list) and tags else None
    return isinstance(first, Mapping) and first.keys() >= {"id", "name", "category"} and "names" not in first


def _is_shape(data: Mapping[str, Any]) -> bool:
    return ("tag_string" in data and "tag_string_general" in data) or (
        "pixiv_id" in data and "up_score" in data and _is_dump(data)
    )


def _read(post: Post) -> Scraped:
    is_dump = _is_dump(post.data)
    favorites = post.data.get("favs")
    return Scraped(
        post_id=post.post_id("id"),
        urls=post.links("source", "file_url"),
        md5=post.text("md5", "media_asset.md5").lower(),
        rating=post.word(SAFE_LETTERS if is_dump else SENSITIVE_LETTERS, "rating"),
        score=post.integer("score"),
        favorites=len(favorites) if isinstance(favorites, list) else post.integer("fav_count"),
        created_at=post.moment("created_at", "date"),
        updated_at=post.moment("updated_at"),
        parent_id=post.post_id("parent_id", "parent.id"),
        children=post.post_ids("children"),
        has_children=post.flag("has_children"),
        tags=_dump_tags(post) if is_dump else post.by_category("tag_string", "tags"),
    )


def _dump_tags(post: Post) -> dict[str, tuple[str, ...]]:
    rows = [row for row in post.data["tags"] if isinstance(row, Mapping)]
    return in_order(
        (_NUMBERS.get(str(row.get("category")), "general"), canonical([str(row.get("name") or "")])) for row in rows
    )


SITE = Site(
    name="danbooru",
    title="Danbooru",
    names=("danbooru", "aibooru", "atfbooru", "booruvar"),
    aliases={
        **dict.fromkeys(("donmai.us", "danbooru.donmai.us", "safebooru.donmai.us", "donmai.moe"), "danbooru"),
        **dict.fromkeys(("safebooru", "safebooru_danbooru", "hijiribe", "sonohara"), "danbooru"),
        "aibooru.online": "aibooru",
        "booru.allthefallen.moe": "atfbooru",
        "booru.borvar.art": "booruvar",
    },
    is_shape=_is_shape,
    read=_read,
)
