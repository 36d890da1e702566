"""The images with their tags: canonical names, `a_b, c_d`, from the scrape.

Tags come from the record, category by category, and from the caption file that came along. `policy` says which:

- `union`: the record's tags, then those of the caption that the record lacks; no tag comes twice;
- `booru`: the record's alone;
- `caption`: the caption's alone.

An item without any tag gets no caption file; lint tells of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from datakit.model.record import CATEGORIES
from datakit.model.stage import Keep, Origin, Outcome, Stage, Subject
from datakit.tags.captions import format_canonical, parse_tags
from datakit.tags.names import to_canonical
from stages.wording import count, dropped_parts, in_brackets, kept

Category = Literal["artist", "character", "copyright", "species", "general", "meta"]
Policy = Literal["union", "booru", "caption"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[captioned]` of dsk.toml."""

    policy: Policy = "union"
    """Where tags come from: `union`, `booru` (the record) or `caption` (the file that came along)."""
    categories: tuple[Category, ...] = ("character", "copyright", "artist", "species", "general")
    """Which of the record's tags are taken, and in which order; a caption's tags have no category."""


def decide(subjects: Sequence[Subject], settings: Settings) -> list[Outcome]:
    """Write each item's caption."""
    return [Keep(key=subject.key, image=subject.image, caption=_caption(subject, settings)) for subject in subjects]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 captions`, or `21 captions (1 item without tags)`."""
    items = kept(outcomes)
    missing = sum(item.caption is None for item in items)
    notes = [f"{count(missing, 'item')} without tags"] if missing else []
    return count(len(items) - missing, "caption") + in_brackets([*notes, *dropped_parts(outcomes)])


def origins(subject: Subject, settings: Settings) -> dict[str, Origin]:
    """The site and category of each tag, or the caption that came along; tags that the settings do not take."""
    found: dict[str, Origin] = {}
    taken = settings.categories if settings.policy in ("union", "booru") else ()
    record = subject.record
    for category in (*taken, *CATEGORIES) if record is not None else ():
        assert record is not None
        for name in filter(None, map(to_canonical, record.tags.get(category, ()))):
            detail = f"{record.site or 'record'}, {category}"
            reason = "captioned.policy is caption" if settings.policy == "caption" else "captioned.categories lacks it"
            left_out = Origin(kind="not-taken", detail=f"{detail}; {reason}", removed=True)
            found.setdefault(name, Origin(kind="site", detail=detail) if category in taken else left_out)
    path = f"raw/{subject.key}.txt"
    for tag in parse_tags(subject.scraped_caption or ""):
        if settings.policy != "booru" and (tag not in found or found[tag].removed):
            found[tag] = Origin(kind="caption", detail=path)
        elif settings.policy == "booru":
            left_out = Origin(kind="not-taken", detail=f"{path}; captioned.policy is booru", removed=True)
            found.setdefault(tag, left_out)
    return found


def _caption(subject: Subject, settings: Settings) -> str | None:
    tags: dict[str, None] = {}
    if subject.record is not None and settings.policy in ("union", "booru"):
        names = map(to_canonical, subject.record.all_tags(settings.categories))
        tags |= dict.fromkeys(name for name in names if name)
    if subject.scraped_caption and settings.policy in ("union", "caption"):
        tags |= dict.fromkeys(parse_tags(subject.scraped_caption))
    return format_canonical(tags) if tags else None


STAGE = Stage(
    name="captioned",
    version=1,
    settings=Settings,
    decide=decide,
    scope="item",
    origins=origins,
    summarise=summarise,
)
