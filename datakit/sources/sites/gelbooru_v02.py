"""Sites on Gelbooru's old software, 0.1 and 0.2: safebooru.org, rule34.xxx, tbib, xbooru, hypnohub and others.

By the XML API every value is a text; by the JSON API there is a `hash` for the md5. A rating `s` is safe. Some of the
kin separate tags by commas. Facts: mikf/gallery-dl:gallery_dl/extractor/gelbooru_v02.py, gelbooru_v01.py, realbooru.py,
rule34us.py and what the APIs send.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from datakit.model.record import Scraped
from datakit.sources.reading.fields import Post
from datakit.sources.reading.site import SAFE_LETTERS, Site

_RATINGS: Final = {**SAFE_LETTERS, "?": ""}
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_XML: Final = frozenset({"preview_url", "sample_width", "sample_height", "change", "status", "tags"})


def _is_shape(data: Mapping[str, Any]) -> bool:
    if "directory" in data and "image" in data:
        return "hash" in data
    return isinstance(data.get("id"), str) and isinstance(data.get("change"), str) and data.keys() >= _XML


def _read(post: Post) -> Scraped:
    md5 = post.text("md5", "hash").lower()
    return Scraped(
        post_id=post.post_id("id"),
        urls=post.links("source", "file_url"),
        md5=md5 if _MD5.fullmatch(md5) else "",  # some sites hash with SHA-1
        rating=post.word(_RATINGS, "rating"),
        score=post.integer("score"),
        created_at=post.moment("date", "created_at"),
        updated_at=post.moment("change"),
        parent_id=post.post_id("parent_id"),
        has_children=post.flag("has_children"),
        tags=post.by_category("tags"),
    )


SITE = Site(
    name="gelbooru_v02",
    title="Gelbooru 0.2",
    names=(
        *("safebooru", "rule34", "tbib", "xbooru", "hypnohub", "realbooru", "rule34us"),
        *("thecollection", "illusioncardsbooru", "allgirlbooru", "drawfriends", "vidyart2"),
    ),
    aliases={
        "safebooru.org": "safebooru",
        "rule34.xxx": "rule34",
        "tbib.org": "tbib",
        "xbooru.com": "xbooru",
        "hypnohub.net": "hypnohub",
        "realbooru.com": "realbooru",
        "rule34.us": "rule34us",
    },
    is_shape=_is_shape,
    read=_read,
)
