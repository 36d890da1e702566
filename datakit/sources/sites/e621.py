"""e621 and its kin: e926 (the same posts, filtered), e6ai.

Three shapes: the API's first one with `tags` by category; gallery-dl's, which makes `tags` one list and adds
`tags_species` and so on; the API's second one with `files`, `stats` and `has`, where tags are a plain list or by
category. A rating `s` is safe. Facts: e621ng/e621ng:app/blueprints/post_blueprint.rb, post_legacy_blueprint.rb,
mikf/gallery-dl:gallery_dl/extractor/e621.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datakit.model.record import Scraped
from datakit.sources.reading.fields import Post
from datakit.sources.reading.site import SAFE_LETTERS, Site


def _is_shape(data: Mapping[str, Any]) -> bool:
    files = data.get("file") or data.get("files")
    return isinstance(data.get("relationships"), Mapping) and isinstance(files, Mapping)


def _read(post: Post) -> Scraped:
    has_parts = isinstance(post.data.get("score"), Mapping)
    return Scraped(
        post_id=post.post_id("id"),
        urls=post.links("sources", "source", "file.url", "files.original.url", "file_url"),
        md5=post.text("file.md5", "files.meta.md5", "md5").lower(),
        rating=post.word(SAFE_LETTERS, "rating"),
        score=post.integer("score.total") if has_parts else post.integer("stats.score.total", "score"),
        favorites=post.integer("fav_count", "stats.fav_count"),
        created_at=post.moment("created_at", "date"),
        updated_at=post.moment("updated_at"),
        parent_id=post.post_id("relationships.parent_id", "parent_id"),
        children=post.post_ids("relationships.children", "children"),
        has_children=post.flag("relationships.has_children", "has.children", "has_children"),
        tags=_tags(post),
    )


def _tags(post: Post) -> dict[str, tuple[str, ...]]:
    if isinstance(post.data.get("tags"), Mapping):
        return post.nested_tags("tags")
    return post.by_category("tags", "tag_string")


SITE = Site(
    name="e621",
    title="e621",
    names=("e621", "e6ai"),
    aliases={"e926": "e621", "e621.net": "e621", "e621.cc": "e621", "e926.net": "e621", "e6ai.net": "e6ai"},
    is_shape=_is_shape,
    read=_read,
)
