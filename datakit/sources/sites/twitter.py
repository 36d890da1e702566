"""Twitter, X.

A post has images, counted from 1. Hashtags tell of campaigns and communities more than of the picture, so they are
meta; the author's name is the artist. `sensitive` says only that somebody ticked a box, so there is no rating. Facts:
mikf/gallery-dl:gallery_dl/extractor/twitter.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datakit.model.record import Scraped
from datakit.sources.reading.fields import Post, canonical, in_order
from datakit.sources.reading.site import Site


def _is_shape(data: Mapping[str, Any]) -> bool:
    return "tweet_id" in data and ("author" in data or "content" in data)


def _read(post: Post) -> Scraped:
    number = post.post_id("tweet_id", "id")
    author = post.text("author.name", "user.name")
    page = (f"https://twitter.com/{author}/status/{number}",) if author and number else ()
    return Scraped(
        post_id=number,
        page=post.integer("num"),
        urls=(*page, *post.links("url", "file_url")),
        favorites=post.integer("favorite_count"),
        created_at=post.moment("date"),
        tags=in_order([("artist", canonical([author])), ("meta", post.tags("hashtags"))]),
    )


SITE = Site(
    name="twitter",
    title="Twitter",
    names=("twitter",),
    aliases={"x": "twitter", "x.com": "twitter", "twitter.com": "twitter", "nitter": "twitter"},
    is_shape=_is_shape,
    read=_read,
)
