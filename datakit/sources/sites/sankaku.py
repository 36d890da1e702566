"""Sankaku and Idol Complex.

Ids are texts of letters and digits, times Unix seconds or objects that hold them. The API's tags are objects with a
number of category; gallery-dl makes names of them, and `tags_studio` and so on where it was told to. A rating `s` is
safe. Facts: mikf/gallery-dl:gallery_dl/extractor/sankaku.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.model.record import Scraped
from datakit.sources.reading.fields import CATEGORY_WORDS, Post, in_order
from datakit.sources.reading.site import SAFE_LETTERS, Site

_NUMBERS: Final = {1: "artist", 2: "studio", 3: "copyright", 4: "character", 5: "genre", 8: "medium", 9: "meta"}
_MARKS: Final = frozenset({"in_visible_pool", "recommended_score", "redirect_to_signup"})


def _is_shape(data: Mapping[str, Any]) -> bool:
    return not _MARKS.isdisjoint(data) and "total_score" in data


def _read(post: Post) -> Scraped:
    return Scraped(
        post_id=post.post_id("id"),
        urls=post.links("source", "file_url"),
        md5=post.text("md5").lower(),
        rating=post.word(SAFE_LETTERS, "rating"),
        score=post.integer("total_score", "score"),
        favorites=post.integer("fav_count"),
        created_at=post.moment("created_at", "date"),
        parent_id=post.post_id("parent_id"),
        has_children=post.flag("has_children"),
        tags=_tags(post),
    )


def _tags(post: Post) -> dict[str, tuple[str, ...]]:
    rows = post.data.get("tags")
    typed = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    if not typed:
        return post.by_category("tags", "tag_names", "tag_string")
    made = []
    for row in typed:
        number = row.get("type")
        word = _NUMBERS.get(number, "general") if isinstance(number, int) else "general"
        made.append((CATEGORY_WORDS[word], Post({"tags": [row]}).tags("tags")))
    return in_order(made)


SITE = Site(
    name="sankaku",
    title="Sankaku",
    names=("sankaku", "idolcomplex"),
    aliases={
        **dict.fromkeys(("chan.sankakucomplex.com", "sankaku.app", "sankakucomplex.com"), "sankaku"),
        **dict.fromkeys(("idol.sankakucomplex.com", "idolcomplex.com"), "idolcomplex"),
    },
    is_shape=_is_shape,
    read=_read,
)
