"""From a caption to its prompt: the steps, in their order.

1. Prose is set apart, emphasis is taken off, the caption is read as tags; what the trigger says is left to it.
2. `replace` and aliases (renaming).
3. The blacklists, and the categories that are left out (leaving).
4. The concept's fixed traits (leaving).
5. Implied tags that are missing, where they are wanted (implying).
6. Of tags that exclude each other the weaker (choosing).
7. Implied tags, where they are not wanted (implying).
8. The limit (choosing).
9. The profile's order and words, or the template; the prose.

A prompt that is cleaned again stays as it is, as long as nothing of 9 but the order changes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import msgspec

from datakit.model.item import concept_of
from datakit.model.stage import Flag, KnownTags, Subject
from datakit.tags.captions import SEPARATOR, parse_tags, split_prose
from datakit.tags.emphasis import strip_emphasis
from datakit.tags.exclusive import conflicts, rivals_of
from datakit.tags.names import to_canonical
from datakit.tags.patterns import TagPatterns
from datakit.tags.profiles.profile import PLAIN, Profile
from datakit.tags.profiles.ranks import Ranking
from datakit.tags.profiles.words import words_for
from datakit.tags.prompt import Piece, Tag, compose, to_text, to_training_prompt
from datakit.tags.renaming import Renames
from datakit.tags.templates import Template
from stages.cleaning.choosing import DropWeaker, Limit
from stages.cleaning.implying import AddImplied, DropImplied
from stages.cleaning.leaving import Blacklist, Pruning
from stages.cleaning.renaming import Renaming
from stages.cleaning.settings import FIELDS, Settings
from stages.cleaning.steps import Item, Step, Tags, category_reader

CONFLICTING: Final = "conflicting-tags"
"""The rule of a flag."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The settings with what they name."""

    settings: Settings
    profile: Profile = PLAIN
    """In the template's order, where there is one."""
    vocabulary: Callable[[], KnownTags] | None = None
    ranking: Ranking = Ranking(quality=PLAIN.quality)
    """Of all items, where the profile asks for it."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A caption, as step 1 leaves it."""

    names: tuple[str, ...]
    """Its tags, the trigger's too."""
    prose: str
    """One line; '' where there is none."""
    item: Item


class Writer:
    """Prompts of one job."""

    def __init__(self, job: Job) -> None:
        settings = job.settings
        self._job = job
        self._known = job.vocabulary() if job.vocabulary is not None else None
        self._is_plain = job.profile == PLAIN and not settings.template
        self.template = Template(settings.template, FIELDS) if settings.template else None
        self._category_of = category_reader(self._known)
        self._words = cache(trigger_names)
        canonical = self._known.canonical if self._known is not None and settings.aliases else None
        others = self._known.blacklist() if self._known is not None else frozenset()
        own = TagPatterns(settings.blacklist, canonical=canonical)
        self.blacklist = Blacklist(own, others, settings.blacklist_categories, self._category_of)
        self.steps: tuple[Step, ...] = _steps(settings, self._known, canonical, self.blacklist)
        self._rivals = _rivals(settings, canonical)
        chooses = bool(settings.max_tags) or settings.conflicts == "drop-weaker"
        self._asks_site = job.profile.asks_categories or bool(settings.blacklist_categories) or chooses

    def text(self, subject: Subject) -> str:
        """An item's prompt as it is written: one line."""
        read = self.read(subject)
        return self.write(self.cleaned(read), subject, read)

    def read(self, subject: Subject) -> Read:
        """Step 1."""
        tags, prose = self.parts(subject)
        of_site: dict[str, str] = {}
        for category, some in subject.record.tags.items() if self._asks_site and subject.record is not None else ():
            of_site = dict.fromkeys(map(to_canonical, some), category) | of_site
        return Read(
            names=parse_tags(strip_emphasis(tags)),
            prose=" ".join(prose.split()),
            item=Item(concept_of(subject.key), of_site, self._words(self.trigger(subject))),
        )

    def parts(self, subject: Subject) -> tuple[str, str]:
        """An item's caption as (its tags, its prose)."""
        caption = self.caption(subject)
        return split_prose(caption) if "\n" in caption else (caption, "")

    def begun(self, read: Read) -> Tags:
        """The tags before any step: without what the trigger says."""
        return {name: name for name in read.names if name not in read.item.triggers}

    def cleaned(self, read: Read) -> Tags:
        """The tags after all steps."""
        tags = self.begun(read)
        for step in self.steps:
            tags = step.run(tags, read.item)
        return tags

    def write(self, tags: Tags, subject: Subject, read: Read) -> str:
        """Step 9."""
        if self._is_plain:
            keeps = self._job.settings.keep_underscores
            text = to_training_prompt(tags, trigger=self.trigger(subject), keep_underscores=keeps)
            return SEPARATOR.join(filter(None, (text, read.prose))) if read.prose else text
        pieces = self.pieces(tags, subject, read)
        if self.template is None:
            return SEPARATOR.join(filter(None, (to_text(pieces), read.prose)))
        return self.template.fill({**_by_field(pieces), "prose": read.prose})

    def pieces(self, tags: Tags, subject: Subject, read: Read) -> list[Piece]:
        """The parts of the prompt, prose aside, in the profile's order; also those that a template leaves out."""
        job = self._job
        return compose(
            self._with_categories(tags, read.item),
            job.profile,
            trigger=self.trigger(subject),
            words=words_for(job.profile, subject.record, job.ranking),
            blacklist=self.blacklist,
            keep_underscores=job.settings.keep_underscores,
        )

    def _with_categories(self, tags: Tags, item: Item) -> list[Tag]:
        if not self._job.profile.asks_categories:
            return list(map(Tag, tags))
        of_site = item.of_site
        return [
            Tag(name, self._category_of(name, was, item), name in of_site or was in of_site)
            for name, was in tags.items()
        ]

    def category(self, name: str, was: str, item: Item) -> str:
        """What a tag is."""
        return self._category_of(name, was, item)

    def flags(self, tags: Tags) -> tuple[Flag, ...]:
        """The tags of a prompt that exclude each other, where they are to be told."""
        found = conflicts(tags, self._rivals) if self._rivals else []
        if not found:
            return ()
        reason = "; ".join(f"{one} with {other}" for one, other in found)
        return (Flag(rule=CONFLICTING, reason=reason, evidence={"pairs": [list(pair) for pair in found]}),)

    def caption(self, subject: Subject) -> str:
        """An item's caption without the profile's separator, which may stand in it without commas: `sks ||| hat`."""
        profile, caption = self._job.profile, subject.caption or ""
        if "separator" not in profile.order or profile.separator not in caption:
            return caption
        return re.sub(rf"(?<![^\s,]){re.escape(profile.separator)}(?![^\s,])", ",", caption)

    def trigger(self, subject: Subject) -> str:
        """The words that call its concept."""
        settings = self._job.settings
        return settings.triggers.get(concept_of(subject.key), settings.trigger)


def trigger_names(trigger: str) -> frozenset[str]:
    """Canonical names of a trigger's words."""
    return frozenset(filter(None, map(to_canonical, trigger.split(","))))


def _steps(
    settings: Settings, known: KnownTags | None, canonical: Callable[[str], str] | None, blacklist: Blacklist
) -> tuple[Step, ...]:
    """Those that have something to do, in their order."""
    count = cache(known.count) if known is not None else _unknown
    category_of = category_reader(known)
    pruning = Pruning(settings.prune, canonical)
    renaming = Renaming(Renames(settings.replace, canonical))
    implied = cache(known.implied) if known is not None else None
    found: list[Step | None] = [
        renaming if settings.replace or canonical is not None else None,
        blacklist if blacklist else None,
        pruning if settings.prune else None,
    ]
    if implied is not None and settings.implications == "add":
        found.append(AddImplied(implied, (renaming.leaves_out, blacklist.leaves_out, pruning.leaves_out)))
    if settings.conflicts == "drop-weaker":
        found.append(DropWeaker(_exclusive(settings, canonical), count))
    if implied is not None and settings.implications == "drop":
        found.append(DropImplied(implied))
    if settings.max_tags:
        found.append(Limit(settings.max_tags, count, category_of))
    return tuple(step for step in found if step is not None)


def _rivals(settings: Settings, canonical: Callable[[str], str] | None) -> dict[str, frozenset[str]]:
    """What is reported; nothing where it is not."""
    return dict(_exclusive(settings, canonical)) if settings.conflicts == "report" else {}


def _exclusive(settings: Settings, canonical: Callable[[str], str] | None) -> dict[str, frozenset[str]]:
    rows = ([(canonical or str)(to_canonical(tag)) for tag in row] for row in settings.exclusive)
    return dict(rivals_of(rows))


def _unknown(tag: str) -> int:
    del tag
    return 0


def _by_field(pieces: Sequence[Piece]) -> dict[str, str]:
    """Field of a template → its text."""
    found: dict[str, list[str]] = {}
    for piece in pieces:
        found.setdefault(field_of(piece), []).append(piece.text)
    return {field: SEPARATOR.join(texts) for field, texts in found.items()}


def field_of(piece: Piece) -> str:
    """The field of a template that a piece stands in."""
    return "tags" if piece.slot == "general" else piece.slot
