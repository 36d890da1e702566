"""Any other site that is named: what a field says beyond doubt, and nothing else.

Read only where a program says which site a post is from and none of the others knows it: shimmie2, nhentai, hitomi,
kemono, wallhaven, anime-pictures and hundreds more. Field names are those that gallery-dl gives. A rating counts only
as a word that means the same everywhere, never as a letter (`e` is everyone on newgrounds); fields of unexpected types
are passed over in silence, since nothing promises what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.model.record import Scraped
from datakit.sources.reading.fields import CATEGORY_WORDS, Post, in_order
from datakit.sources.reading.site import GENERIC, SAFE_WORDS, Site

_IDS: Final = ("id", "post_id", "postid", "gallery_id", "media_id", "tweet_id", "shortcode", "hash_id")
_NAMED: Final = ("artist", "artists", "group", "circle", "parody", "series", "copyright", "character", "characters")
_SCORES: Final = ("score", "total_score")
_FAVORITES: Final = ("favorites", "fav_count", "favorite_count", "favs", "bookmarks", "likes", "faves")
_TEXTS: Final = str | list


def _is_shape(data: Mapping[str, Any]) -> bool:
    del data
    return False


def _read(post: Post) -> Scraped:
    asked = Post(post.data)  # whose problems nobody hears of
    rating = asked.text("rating", "safety").lower()
    return Scraped(
        post_id=asked.post_id(*_IDS),
        page=None if "pool" in post.data else asked.integer("num"),
        urls=asked.links("source", "sources", "file_url", "url"),
        md5=_md5(asked.text("md5")),
        rating=SAFE_WORDS.get(rating, ""),
        score=_number(asked, _SCORES),
        favorites=_number(asked, _FAVORITES),
        created_at=asked.moment("date", "created_at", "published"),
        updated_at=asked.moment("updated_at", "edited"),
        parent_id=asked.post_id("parent_id"),
        has_children=asked.flag("has_children"),
        tags=_tags(asked),
    )


def _tags(post: Post) -> dict[str, tuple[str, ...]]:
    named = [(CATEGORY_WORDS[name], _pieces(post, name, separator=", ")) for name in _NAMED]
    every = next((name for name in ("tags", "tag_string") if isinstance(post.data.get(name), _TEXTS)), "")
    found = post.nested_tags("tags") or post.by_category(every)
    taken = {tag for _, tags in named for tag in tags}
    kept = [(name, [tag for tag in tags if name != "general" or tag not in taken]) for name, tags in found.items()]
    return in_order([*kept, *named])


def _pieces(post: Post, name: str, *, separator: str | None = None) -> tuple[str, ...]:
    return post.tags(name, separator=separator) if isinstance(post.data.get(name), _TEXTS) else ()


def _number(post: Post, names: tuple[str, ...]) -> int | None:
    found = post.value(*names)[1]
    return post.integer(*names) if isinstance(found, int | str) else None


def _md5(text: str) -> str:
    return text.lower() if len(text) == 32 and text.isalnum() and text.isascii() else ""


SITE = Site(
    name=GENERIC,
    title="any other site",
    names=(),
    is_shape=_is_shape,
    read=_read,
)
