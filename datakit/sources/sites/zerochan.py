"""Zerochan.

Tags are in Title Case with spaces, read from the page with a word for their kind (`Mangaka:…`, `Series:…`), from the
API without. There are no ratings and no scores. Facts: mikf/gallery-dl:gallery_dl/extractor/zerochan.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.model.record import Scraped
from datakit.sources.reading.fields import Post, by_prefix
from datakit.sources.reading.site import Site

_KINDS: Final = {
    **dict.fromkeys(("mangaka", "artist"), "artist"),
    **dict.fromkeys(("game", "series", "studio", "movie", "ova", "visual novel", "artbook"), "copyright"),
    "character": "character",
    "oc": "character",
    "source": "meta",
    "meta": "meta",
    **dict.fromkeys(("theme", "outfit", "hair", "eyes"), "general"),
}


def _is_shape(data: Mapping[str, Any]) -> bool:
    is_entry = "primary" in data and ("full" in data or "hash" in data)
    return isinstance(data.get("tags"), list) and (is_entry or ("tag" in data and "thumbnail" in data))


def _read(post: Post) -> Scraped:
    return Scraped(
        post_id=post.post_id("id"),
        urls=post.links("source", "file_url", "full", "url"),
        md5=post.text("md5", "hash").lower(),
        created_at=post.moment("date"),
        tags=by_prefix(post.texts("tags"), _KINDS),
    )


SITE = Site(
    name="zerochan",
    title="Zerochan",
    names=("zerochan",),
    aliases={"zerochan.net": "zerochan"},
    is_shape=_is_shape,
    read=_read,
)
