"""Sites on Philomena: Derpibooru, Ponybooru, Furbooru.

Tags have spaces and a few namespaces (`artist:`, `oc:`); the rating is one of the tags and is taken out of them. There
is a SHA-512 and no MD5. Facts: mikf/gallery-dl:gallery_dl/extractor/philomena.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.model.record import Scraped
from datakit.sources.reading.fields import Post, by_prefix
from datakit.sources.reading.site import Site

_RATINGS: Final = {
    "explicit": "explicit",
    "questionable": "questionable",
    "suggestive": "sensitive",
    "safe": "general",
}
_NAMESPACES: Final = {
    "artist": "artist",
    "photographer": "artist",
    "editor": "meta",
    "oc": "character",
    "species": "species",
    **dict.fromkeys(("series", "comic", "fanfic", "franchise"), "copyright"),
    **dict.fromkeys(("spoiler", "prompter", "generator", "colorist"), "meta"),
}


def _is_shape(data: Mapping[str, Any]) -> bool:
    return "wilson_score" in data or ("representations" in data and "sha512_hash" in data)


def _read(post: Post) -> Scraped:
    found = post.value("tags")[1]
    names = tuple(found.split(", ")) if isinstance(found, str) else post.texts("tags")
    words = {name.strip().lower() for name in names}
    return Scraped(
        post_id=post.post_id("id"),
        urls=post.links("source_urls", "source_url", "view_url"),
        rating=next((rating for word, rating in _RATINGS.items() if word in words), ""),
        score=post.integer("score"),
        favorites=post.integer("faves"),
        created_at=post.moment("created_at", "date"),
        updated_at=post.moment("updated_at"),
        tags=by_prefix((name for name in names if name.strip().lower() not in _RATINGS), _NAMESPACES),
    )


SITE = Site(
    name="philomena",
    title="Philomena",
    names=("derpibooru", "ponybooru", "furbooru", "twibooru"),
    aliases={
        **dict.fromkeys(("derpibooru.org", "trixiebooru.org", "derpicdn.net"), "derpibooru"),
        "ponybooru.org": "ponybooru",
        "furbooru.org": "furbooru",
        "furrycdn.org": "furbooru",
        "twibooru.org": "twibooru",
    },
    is_shape=_is_shape,
    read=_read,
)
