"""pixiv.

A work has pages, counted from 0. Its tags are free words of its maker and readers, in Japanese, translated, or as
objects with both (the translation counts); what they say of the rating or of its readers is meta. The maker is known
by the account's name, which stays when the shown name changes. Rating: R-18 and R-18G are explicit; below that the
sanity level tells general (2), sensitive (4) and questionable (6). Facts:
mikf/gallery-dl:gallery_dl/extractor/pixiv.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.model.record import Scraped
from datakit.sources.reading.fields import Post, canonical, in_order
from datakit.sources.reading.site import Site

_RATINGS: Final = {"general": "general", "r-18": "explicit", "r-18g": "explicit"}
_LEVELS: Final = {"2": "general", "4": "sensitive", "6": "questionable"}
_RESTRICTED: Final = frozenset({"1", "2"})
_META: Final = frozenset({"r-18", "r-18g"})
_AI: Final = "2"


def _is_shape(data: Mapping[str, Any]) -> bool:
    return "x_restrict" in data and "user" in data


def _read(post: Post) -> Scraped:
    number = post.post_id("id")
    page = f"https://www.pixiv.net/artworks/{number}"
    return Scraped(
        post_id=number,
        page=post.integer("num"),
        urls=(page, *post.links("url", "meta_single_page.original_image_url")) if number else post.links("url"),
        rating=_rating(post),
        favorites=post.integer("total_bookmarks"),
        created_at=post.moment("create_date", "date"),
        tags=_tags(post),
    )


def _rating(post: Post) -> str:
    if post.text("x_restrict") in _RESTRICTED:
        return "explicit"
    word = post.word(_RATINGS, "rating")
    return word if word == "explicit" else _LEVELS.get(post.text("sanity_level"), word)


def _tags(post: Post) -> dict[str, tuple[str, ...]]:
    rows = post.data.get("tags")
    names = [_translated(row) for row in rows] if isinstance(rows, list) else rows
    words = Post({"tags": names})
    tags = words.tags("tags")
    post.problems += words.problems
    maker = canonical([post.text("user.account", "user.name")])
    general = [tag for tag in tags if tag not in _META and not tag.endswith("users入り")]
    meta = [tag for tag in tags if tag in _META or tag.endswith("users入り")]
    made_by = ("ai-generated",) if post.text("illust_ai_type") == _AI else ()
    return in_order([("artist", maker), ("general", general), ("meta", (*meta, *made_by))])


def _translated(row: object) -> object:
    return (row.get("translated_name") or row.get("name")) if isinstance(row, Mapping) else row


SITE = Site(
    name="pixiv",
    title="pixiv",
    names=("pixiv",),
    aliases={"pixiv.net": "pixiv"},
    is_shape=_is_shape,
    read=_read,
)
