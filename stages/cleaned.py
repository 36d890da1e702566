"""The captions as prompts: `trigger, a b, c d`.

Underscores become spaces except in emoticons such as `^_^`, nothing is escaped, no tag comes twice, blacklisted tags
are left out, and the trigger word of the item's concept comes first, exactly as it is written in dsk.toml.
An item without a caption gets the trigger alone, or no caption when there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from datakit.errors import ConfigError
from datakit.model.item import concept_of
from datakit.model.stage import Keep, Origin, Outcome, Stage, Subject
from datakit.registry import nearest
from datakit.tags.captions import parse_tags
from datakit.tags.names import to_canonical
from datakit.tags.prompt import to_training_prompt
from stages.wording import count, dropped_parts, in_brackets, kept


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[cleaned]` of dsk.toml."""

    trigger: str = ""
    """Trigger word of every concept that `triggers` does not name; empty for none."""
    triggers: dict[str, str] = {}
    """Concept → its trigger word, as in `triggers = {miku = "mikudress"}`; an empty word means none."""
    blacklist: tuple[str, ...] = ()
    """Tags that are left out, spelled with spaces or underscores; whole tags only."""
    keep_underscores: bool = False
    """Write `long_hair` rather than `long hair`."""


def decide(subjects: Sequence[Subject], settings: Settings) -> list[Outcome]:
    """Write each item's prompt."""
    blacklist = frozenset(map(to_canonical, settings.blacklist))
    return [
        Keep(key=subject.key, image=subject.image, caption=_prompt(subject, settings, blacklist))
        for subject in subjects
    ]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 prompts`, or `21 prompts (1 item without a caption)`."""
    items = kept(outcomes)
    missing = sum(item.caption is None for item in items)
    notes = [f"{count(missing, 'item')} without a caption"] if missing else []
    return count(len(items) - missing, "prompt") + in_brackets([*notes, *dropped_parts(outcomes)])


def check(concepts: Collection[str], settings: Settings) -> None:
    """A trigger for a misspelled concept would be missing from every one of its captions.

    Raises:
        ConfigError: `triggers` names a concept that the dataset does not have.
    """
    for name in settings.triggers:
        if concepts and name not in concepts:
            known = sorted(concepts)
            like = nearest(name, known)
            hint = f"did you mean '{like}'?" if like else f"concepts: {', '.join(filter(None, known))}"
            raise ConfigError(f"cleaned.triggers: there is no concept '{name}'", hint=hint)


def origins(subject: Subject, settings: Settings) -> dict[str, Origin]:
    """The trigger, and the tags that the blacklist left out."""
    concept = concept_of(subject.key)
    named = f"cleaned.triggers.{concept}" if concept in settings.triggers else "cleaned.trigger"
    blacklist = frozenset(map(to_canonical, settings.blacklist))
    found = {
        tag: Origin(kind="blacklist", detail="cleaned.blacklist", removed=True)
        for tag in parse_tags(subject.caption or "")
        if tag in blacklist
    }
    triggers = parse_tags(settings.triggers.get(concept, settings.trigger))
    return {**found, **dict.fromkeys(triggers, Origin(kind="trigger", detail=named))}


def _prompt(subject: Subject, settings: Settings, blacklist: frozenset[str]) -> str | None:
    prompt = to_training_prompt(
        parse_tags(subject.caption or ""),
        trigger=settings.triggers.get(concept_of(subject.key), settings.trigger),
        blacklist=blacklist,
        keep_underscores=settings.keep_underscores,
    )
    return prompt or None


STAGE = Stage(
    name="cleaned",
    version=1,
    settings=Settings,
    decide=decide,
    scope="item",
    check=check,
    origins=origins,
    summarise=summarise,
)
