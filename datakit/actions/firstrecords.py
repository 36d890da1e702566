"""Records of the first version, which have no `seen`: what was read of a site's JSON then.

That is the base against which a person's edits show, so that what is read better or more by now takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.model.record import Scraped
from datakit.tags.names import to_canonical

_CATEGORIES: Final = ("artist", "character", "copyright", "general", "meta")
_RATINGS: Final = {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"}
"""Of all sites alike."""


def first_reading(upstream: Mapping[str, Any]) -> Scraped:
    """The facts that a record of the first version has of its `upstream`, unless somebody edited them."""
    children = upstream.get("has_children")
    return Scraped(
        site=_text(upstream, "category"),
        post_id=_text(upstream, "id"),
        urls=tuple(url for url in (_text(upstream, "source"), _text(upstream, "file_url")) if url),
        md5=_text(upstream, "md5").lower(),
        rating=_RATINGS.get(_text(upstream, "rating")[:1].lower(), ""),
        score=_integer(_text(upstream, "score")),
        created_at=_text(upstream, "created_at"),
        parent_id=_text(upstream, "parent_id"),
        has_children=children if isinstance(children, bool) else None,
        tags={name: tags for name in _CATEGORIES if (tags := _tags(upstream, name))},
    )


def _text(upstream: Mapping[str, Any], field: str) -> str:
    value = upstream.get(field)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _integer(text: str) -> int | None:
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError):
        return None


def _tags(upstream: Mapping[str, Any], category: str) -> tuple[str, ...]:
    fields = (upstream.get(name) for name in (f"tag_string_{category}", f"tags_{category}"))
    value = next((one for one in fields if one is not None), None)
    names = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(dict.fromkeys(tag for name in names if isinstance(name, str) and (tag := to_canonical(name))))
