"""E-Hentai and ExHentai.

A gallery is the post, its images are pages, counted from 1; tags belong to the whole gallery and have namespaces:
`female:glasses` and `male:glasses` are both the tag `glasses`. `rating` is an average of stars and tells nothing of
what is shown; neither does the category, so there is no rating. gallery-dl calls both sites exhentai. Facts:
mikf/gallery-dl:gallery_dl/extractor/exhentai.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.model.record import Scraped
from datakit.sources.reading.fields import Post, by_prefix
from datakit.sources.reading.site import Site

_NAME: Final = "exhentai"
_NAMESPACES: Final = {
    "artist": "artist",
    "group": "artist",
    "parody": "copyright",
    "character": "character",
    "language": "meta",
    "reclass": "meta",
    **dict.fromkeys(("female", "male", "mixed", "other", "cosplayer", "location", "misc", "temp"), "general"),
}


def _is_shape(data: Mapping[str, Any]) -> bool:
    return "gid" in data and "token" in data


def _read(post: Post) -> Scraped:
    number, token = post.post_id("gid"), post.text("token")
    return Scraped(
        site=_NAME,
        post_id=number,
        page=post.integer("num"),
        urls=(f"https://e-hentai.org/g/{number}/{token}/",) if number and token else (),
        favorites=post.integer("favorites"),
        created_at=post.moment("date", "posted"),
        tags=by_prefix(post.texts("tags"), _NAMESPACES),
    )


SITE = Site(
    name="ehentai",
    title="E-Hentai",
    names=(_NAME,),
    aliases=dict.fromkeys(("e-hentai", "e-hentai.org", "exhentai.org", "ehentai"), _NAME),
    is_shape=_is_shape,
    read=_read,
)
