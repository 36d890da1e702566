"""What a bake is measured by where nobody says: triggers and traits from the dataset, other tags from the tagger."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import chain, zip_longest
from typing import Final

import msgspec

from datakit.actions.finding import late_words
from datakit.actions.project import Project
from datakit.actions.traits import STAGE, list_traits
from datakit.errors import UsageError
from datakit.model.order import WIP
from datakit.model.progress import Progress, silent
from datakit.repo.finding.table import Place, Table, with_table
from datakit.tags.captions import tags_in
from datakit.tags.names import to_canonical, to_prompt
from datakit.tags.patterns import TagPatterns
from datakit.tags.traits import NEVER, family_of

AT_LEAST: Final = 0.8
"""Share of a concept's pictures that have a trait, and that have what every prompt says."""
AT_MOST: Final = 0.2
"""Share of a concept's captions in wip that may still say a trait: hand edits bring some back."""
MOST_OTHERS: Final = 12
_CLEANED: Final = "cleaned"
_PEOPLE: Final = TagPatterns(("1girl", "1boy", "1other", "solo"))
_STYLES: Final = TagPatterns(("*_(style)", "*_(medium)", "*_focus", "multiple_*", "no_humans", "simple_background"))


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a trigger stands for."""

    concept: str = ""
    """'' where no concept has the trigger."""
    trigger: str = ""
    traits: tuple[str, ...] = ()
    """Canonical names."""
    frame: tuple[str, ...] = ()
    """What nearly all its prompts say beside: `1girl`, `solo`."""


def subject_of(
    project: Project, trigger: str = "", *, needs_traits: bool = True, progress: Progress = silent
) -> Subject:
    """What the dataset says of a trigger, or of its only one; an empty subject where it has none at all.

    Raises:
        UsageError: there are several, and none is named.
    """
    settings = project.settings(_CLEANED)
    triggers = {concept: word for concept, word in settings.triggers.items() if word}
    if not trigger:
        words = sorted({*triggers.values(), *filter(None, [settings.trigger])})
        if len(words) > 1:
            raise UsageError(f"which trigger? there are {len(words)}", hint=f"--trigger {words[0]!r}, or another")
        trigger = words[0] if words else ""
    concept = next((name for name, word in triggers.items() if _is(word, trigger)), "") if trigger else ""
    if trigger and not concept and not _is(settings.trigger, trigger):
        return Subject(trigger=trigger, frame=_frame(project, "", trigger, progress))
    traits = _traits(project, concept, trigger, progress) if needs_traits and trigger else ()
    return Subject(concept=concept, trigger=trigger, traits=traits, frame=_frame(project, concept, trigger, progress))


def _is(word: str, trigger: str) -> bool:
    """Whether a trigger is meant; of several words between commas, any."""
    return bool(word) and (word == trigger or to_canonical(trigger) in tags_in(word))


def _traits(project: Project, concept: str, trigger: str, progress: Progress) -> tuple[str, ...]:
    """Tags that nearly all captions of `captioned` have, and that cleaning leaves to the trigger.

    Of a trigger that several concepts share, the traits are those that all of them have.
    """
    rows = [
        row
        for row in list_traits(project, concept, at_least=AT_LEAST, progress=progress)
        if concept or _is(row.trigger, trigger)
    ]
    each: list[list[str]] = []
    for row in rows:
        pruned = [one.tag for one in row.tags if one.is_pruned]
        counts, number = counts_in(project, WIP, row.concept, progress=progress) if pruned else (Counter[str](), 0)
        each.append([tag for tag in pruned if counts[tag] <= AT_MOST * number])
    return tuple(tag for tag in each[0] if all(tag in some for some in each[1:])) if each else ()


def _frame(project: Project, concept: str, trigger: str, progress: Progress) -> tuple[str, ...]:
    counts, number = counts_in(project, WIP, concept, progress=progress)
    words = set(tags_in(trigger))
    usual = [tag for tag, count in counts.most_common() if count >= AT_LEAST * number and tag not in words]
    return tuple(sorted(tag for tag in usual if tag in _PEOPLE))


def counts_in(
    project: Project, stage: str, concept: str = "", *, progress: Progress = silent
) -> tuple[Counter[str], int]:
    """(Tag → captions of a stage that have it, number of captions), of a concept or of all."""

    def work(table: Table) -> tuple[Counter[str], int]:
        found: Counter[str] = Counter()
        number = 0
        for part in table.parts:
            rows = part.alive & part.segment.having("has", ("caption",))
            if concept:
                rows &= part.segment.having("concept", (concept,))
            number += rows.bit_count()
            found.update(part.segment.count_within("tag", rows))
        return found, number

    place = Place(project.dataset.head_tree, stage, progress=progress)
    return with_table(project.dataset, place, work, late=late_words(project.dataset, place))


def trigger_prompts(subject: Subject, asked: Sequence[str], traits: Collection[str]) -> tuple[str, ...]:
    """The prompts that hold the trigger and no trait: those that are asked for, else one of the plainest.

    Raises:
        UsageError: a prompt names a trait that is to be measured.
    """
    plain = [*filter(None, [subject.trigger]), *(to_prompt(tag) for tag in subject.frame if tag not in traits)]
    made = []
    for text in asked or [", ".join(plain)]:
        said = set(tags_in(text))
        if told := [tag for tag in traits if tag in said]:
            raise UsageError(f"--prompt {text!r} says {told[0]} itself", hint="leave the traits to the trigger")
        has_trigger = not subject.trigger or set(tags_in(subject.trigger)) <= said
        made.append(text if has_trigger else f"{subject.trigger}, {text}")
    return tuple(made)


def bare_prompts(trigger: str, prompts: Sequence[str]) -> tuple[str, ...]:
    """The same prompts without the trigger: what they call, they call without it."""
    words, whole = set(tags_in(trigger)), re.compile(rf"(?<!\w){re.escape(trigger)}(?!\w)")
    made = []
    for text in prompts:
        kept = (whole.sub("", part).strip() for part in text.split(",") if not set(tags_in(part)) <= words)
        made.append(", ".join(filter(None, kept)))
    return tuple(made)


def other_tags(known: Sequence[str], *, without: Collection[str]) -> tuple[str, ...]:
    """Tags to ask for without the trigger, of those that a tagger knows: hair, eyes, faces and others take turns.

    Always the same ones of the same tagger: the first of each family in the order of its label file.
    """
    families: dict[str, list[str]] = {}
    never = TagPatterns(NEVER)
    for tag in known:
        if tag not in without and tag not in never and tag not in _PEOPLE and tag not in _STYLES:
            families.setdefault(family_of(tag), []).append(tag)
    turns = chain.from_iterable(zip_longest(*families.values()))
    return tuple(tag for tag in turns if tag is not None)[:MOST_OTHERS]


def known_concepts(project: Project) -> str:
    """A hint: how traits come to be left to a trigger."""
    triggers = project.settings(_CLEANED).triggers
    concept = next(iter(triggers), "CONCEPT")
    return (
        f"--trait TAG names one; dsk traits {concept} --apply, then dsk clean, leaves those of {STAGE} to the trigger"
    )
