"""Where an item's tags and prose come from, other than from taggers."""

from __future__ import annotations

from typing import NamedTuple

from datakit.model.record import CATEGORIES
from datakit.model.stage import Origin, Subject
from datakit.tags.captions import looks_like_prose, parse_tags, split_prose, without_blank_lines
from datakit.tags.names import to_canonical
from stages.captioning.settings import SCRAPED, SITE, Settings


class Scraped(NamedTuple):
    """The caption that came along."""

    tags: tuple[str, ...]
    """Canonical."""
    prose: str
    """'' where it has none."""


def read_scraped(text: str, how: str) -> Scraped:
    """A scraped caption by `Settings.scraped`: tags, prose, or tags and prose behind a blank line."""
    if how == "prose":
        return Scraped((), text.strip())
    if how == "auto":
        tags, prose = split_prose(text)
        if prose and looks_like_prose(prose) and not looks_like_prose(tags):
            return Scraped(parse_tags(tags), prose)
        if looks_like_prose(text):
            return Scraped((), text.strip())
    return Scraped(parse_tags(without_blank_lines(text)), "")


def scraped_of(subject: Subject, settings: Settings) -> Scraped:
    """What is taken of an item's scraped caption."""
    if not subject.scraped_caption or settings.policy not in SCRAPED:
        return Scraped((), "")
    return read_scraped(subject.scraped_caption, settings.scraped)


def known_tags(subject: Subject, settings: Settings) -> dict[str, None]:
    """What is taken of the record and of the scraped caption, in their order, each once."""
    tags: dict[str, None] = {}
    if subject.record is not None and settings.policy in SITE:
        names = map(to_canonical, subject.record.all_tags(settings.categories))
        tags |= dict.fromkeys(name for name in names if name)
    return tags | dict.fromkeys(scraped_of(subject, settings).tags)


def known_origins(subject: Subject, settings: Settings) -> dict[str, Origin]:
    """The site and category of each tag, or the caption that came along; tags that the settings do not take."""
    found: dict[str, Origin] = {}
    taken = settings.categories if settings.policy in SITE else ()
    record = subject.record
    for category in (*taken, *CATEGORIES) if record is not None else ():
        assert record is not None
        for name in filter(None, map(to_canonical, record.tags.get(category, ()))):
            detail = f"{record.site or 'record'}, {category}"
            reason = "captioned.categories lacks it" if taken else f"captioned.policy is {settings.policy}"
            left_out = Origin(kind="not-taken", detail=f"{detail}; {reason}", removed=True)
            found.setdefault(name, Origin(kind="site", detail=detail) if category in taken else left_out)
    path, is_taken = f"raw/{subject.key}.txt", settings.policy in SCRAPED
    for tag in read_scraped(subject.scraped_caption or "", settings.scraped).tags:
        if is_taken and (tag not in found or found[tag].removed):
            found[tag] = Origin(kind="caption", detail=path)
        elif not is_taken:
            reason = f"captioned.policy is {settings.policy}"
            found.setdefault(tag, Origin(kind="not-taken", detail=f"{path}; {reason}", removed=True))
    return found
