"""The images with their tags: canonical names, `a_b, c_d`, from the scrape and from taggers.

Tags come from the record, category by category, from the caption file that came along, and from taggers. `policy` says
which; no tag comes twice:

- `union`: the record's tags, then those of the caption, then what taggers see;
- `booru`, `caption`, `tagger`: those of one source alone;
- `fill-missing`: as `union`, but taggers see only items with fewer than `fill_below` tags.

The rating of a record, or that a tagger sees, is none of the tags. Prose, of the scrape or by the command, stands
behind the tags and a blank line. An item without any tag or prose gets no caption file; lint tells of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from datakit.model.stage import FAILED, Flag, Keep, Origin, Outcome, Stage, Subject
from datakit.tags.captions import format_canonical, join_prose
from stages.captioning.seeing import COMMAND, check, inspect_many, looks, seen_tags
from stages.captioning.settings import Given, Settings, prepare
from stages.captioning.sources import known_origins, known_tags, scraped_of
from stages.wording import count, dropped_parts, in_brackets, kept

NOT_SEEN: Final = "not-seen"
"""Rule of the flag on items that a tagger or the command could not see."""


def decide(subjects: Sequence[Subject], given: Given | Settings) -> list[Outcome]:
    """Write each item's caption."""
    ready = _given(given)
    return [
        Keep(key=subject.key, image=subject.image, caption=_caption(subject, ready), flags=_flags(subject))
        for subject in subjects
    ]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 captions, 20 tagged by wd-vit-tagger-v3`, or `21 captions (1 item without tags)`."""
    items = kept(outcomes)
    missing = sum(item.caption is None for item in items)
    notes = [f"{count(missing, 'item')} without tags"] if missing else []
    failed = sum(bool(item.flags) for item in items)
    notes += [f"{count(failed, 'image')} not seen"] if failed else []
    by: dict[str, int] = {}
    for name in (name for subject in subjects for name, facts in subject.facts.items() if not _problem(facts)):
        by[name] = by.get(name, 0) + 1
    told = [
        f"{number} described by the command" if name == COMMAND else f"{number} seen by {name.removeprefix('tagger:')}"
        for name, number in by.items()
    ]
    made = ", ".join([count(len(items) - missing, "caption"), *told])
    return made + in_brackets([*notes, *dropped_parts(outcomes)])


def notes(subjects: Sequence[Subject], given: Given | Settings) -> list[str]:
    """What looked at images in this run, on what and how fast."""
    del subjects
    return list(_given(given).told)


def origins(subject: Subject, given: Given | Settings) -> dict[str, Origin]:
    """The site and category of each tag, the caption that came along, or the tagger that saw it; tags that the
    settings do not take."""
    ready = _given(given)
    found = known_origins(subject, ready.settings)
    for tag, seen in seen_tags(subject, ready).items():
        if tag not in found or found[tag].removed:
            found[tag] = Origin(kind="tagger", detail=seen.tagger, score=round(seen.score, 4))
    return found


def _caption(subject: Subject, given: Given) -> str | None:
    tags = known_tags(subject, given.settings) | dict.fromkeys(seen_tags(subject, given))
    written = subject.facts.get(COMMAND, {}).get("caption") if given.settings.command else ""
    prose = written or scraped_of(subject, given.settings).prose
    return join_prose(format_canonical(tags), prose) or None


def _flags(subject: Subject) -> tuple[Flag, ...]:
    """What taggers or the command could not see."""
    return tuple(
        Flag(rule=NOT_SEEN, reason=f"{name.removeprefix('tagger:')}: {problem}")
        for name, facts in subject.facts.items()
        if (problem := _problem(facts))
    )


def _problem(facts: dict[str, object]) -> str:
    return str(facts.get("unreadable") or facts.get(FAILED) or "")


def _given(given: Given | Settings) -> Given:
    return given if isinstance(given, Given) else Given(settings=given, selectors={}, told=[])


STAGE = Stage(
    name="captioned",
    version=2,
    settings=Settings,
    prepare=prepare,
    check=check,
    looks=lambda subject, given: looks(subject, _given(given)),
    retries=frozenset({NOT_SEEN}),
    inspect_many=inspect_many,
    decide=decide,
    scope="item",
    origins=origins,
    summarise=summarise,
    notes=notes,
)
