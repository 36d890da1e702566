"""What a site is: the meaning of its metadata, whichever program or dump brought it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from datakit.model.record import RATINGS, Scraped
from datakit.registry import Family
from datakit.sources.reading.fields import Post


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One site, or the software that several sites run."""

    name: str
    title: str
    names: tuple[str, ...]
    """The sites of this kind as gallery-dl calls them, in lower case; records bear these names."""
    aliases: Mapping[str, str] = {}
    """What other programs call a site, its address too → the name that records bear."""
    is_shape: Callable[[Mapping[str, Any]], bool]
    """Whether an object that does not say its site looks like a post of this one, as its own API sends it."""
    read: Callable[[Post], Scraped]
    """A post's facts in dsk's words; what is wrong with a field is noted in the post, and the field left out."""


SITES: Family[Site] = Family("datakit.sources.sites", Site, "SITE", word="site")
GENERIC: Final = "generic"
"""The site that reads what no other knows; only where the site is named."""
_LINKS: Final = (
    "file_url",
    "file.url",
    "files.original.url",
    "large_file_url",
    "sample_url",
    "preview_url",
    "view_url",
    "contentUrl",
)


class Facts(msgspec.Struct, frozen=True):
    """What one metadata object says."""

    scraped: Scraped
    problems: tuple[str, ...] = ()
    """Fields that are not what they should be, each in one sentence; the others are read."""


def read_facts(data: Mapping[str, Any], *, site: str = "", upstream: dict[str, Any] | None = None) -> Facts | None:
    """Facts of one object; None where no site is known for it.

    Args:
        data: the post as its site sends it, perhaps with what a scraper added.
        site: what the scraper calls the site; '' where only the object's shape can tell.
        upstream: what is kept verbatim, where that is more than `data`.
    """
    word = _word(site)
    known = _known(word, data)
    if known is None:
        return None
    post = Post(data)
    scraped = known.read(post)
    kept = upstream if upstream is not None else dict(data)
    named = scraped.site or _name(known, word, data)
    return Facts(msgspec.structs.replace(scraped, site=named, upstream=kept), tuple(post.problems))


def site_called(name: str) -> Site | None:
    """The site that a program calls by this name, or whose address it is."""
    found = _by_name().get(_word(name))
    return found[0] if found else None


def site_name(name: str) -> str:
    """The name that records bear for a site that a program calls `name`; '' where none is known by it."""
    known = site_called(name)
    return _name(known, _word(name), {}) if known else ""


@lru_cache(maxsize=1)
def all_sites() -> tuple[Site, ...]:
    """Every site, sorted by name."""
    return tuple(SITES.all())


def shapes_of(data: Mapping[str, Any]) -> list[Site]:
    """The sites whose posts an object looks like: one, or none."""
    return [one for one in all_sites() if one.is_shape(data)]


def _known(word: str, data: Mapping[str, Any]) -> Site | None:
    named = _by_name().get(word, ())
    if len(named) > 1:  # one word for two sites: safebooru.org, and Danbooru's own safebooru
        return next((one for one in named if one.is_shape(data)), named[0])
    if named:
        return named[0]
    by_shape = next((one for one in all_sites() if one.is_shape(data)), None)
    return by_shape if by_shape or not word else SITES.load(GENERIC)


def _name(known: Site, word: str, data: Mapping[str, Any]) -> str:
    if word and (known.name == GENERIC or word in known.names):
        return word
    if word in known.aliases:
        return known.aliases[word]
    post = Post(data)
    hosts = (host for field in _LINKS for host in _hosts(post.value(field)[1]))
    found = next((known.aliases[host] for host in hosts if host in known.aliases), "")
    return found or word or known.name


def _hosts(url: object) -> Iterator[str]:
    """`files.yande.re`, `yande.re`, `re` of an address."""
    try:
        host = (urlsplit(url).hostname or "") if isinstance(url, str) else ""
    except ValueError:
        return
    while host:
        yield host
        host = host.partition(".")[2]


def _word(name: str) -> str:
    return name.strip().lower().removeprefix("www.")


@lru_cache(maxsize=1)
def _by_name() -> dict[str, tuple[Site, ...]]:
    """Name → the sites that are called so; the one whose own name it is first."""
    found: dict[str, tuple[Site, ...]] = {}
    for own in (True, False):
        for site in all_sites():
            for name in {site.name, *site.names} if own else site.aliases:
                others = [one for one in found.get(name, ()) if one is not site]
                found[name] = (*others, site)
    return found


SAFE_WORDS: Final = {"safe": "general", **{word: word for word in RATINGS}}
"""Rating words whose meaning is the same everywhere."""
SAFE_LETTERS: Final = {**SAFE_WORDS, "g": "general", "s": "general", "q": "questionable", "e": "explicit"}
"""Ratings of the sites where `s` is safe: all but Danbooru's kin and gelbooru.com."""
SENSITIVE_LETTERS: Final = {**SAFE_LETTERS, "s": "sensitive"}
"""Ratings of the sites where `s` is sensitive."""
