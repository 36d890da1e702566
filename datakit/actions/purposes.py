"""Why a caption lacks a tag, or has one, on purpose: the settings of `cleaned`, and what people took out by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from datakit.actions.project import Project
from datakit.model.item import concept_of
from datakit.model.stage import Keep, Origin, Subject
from datakit.repo.stagetree import TreeView, read_lock
from datakit.repo.transitions.pipeline import Step
from datakit.tags.captions import format_canonical
from datakit.tags.seeing import Relations, said_by

_LEFT_OUT: Final = frozenset({"blacklist", "prune", "replace", "profile", "template"})
"""Kinds of origins by which `cleaned` leaves a tag out for good; what others leave out hangs on the whole caption."""
_CAPTIONED: Final = ("captioned", "cleaned", "wip")
BY_HAND: Final = "taken out by hand"


class Fate(NamedTuple):
    """What `cleaned` makes of a tag."""

    names: tuple[str, ...]
    """Canonical names of what it writes; the tag itself where it only passes it on."""
    reason: str = ""
    """Why it leaves the tag out; '' where it does not."""


class Purposes:
    """Asks the stage `cleaned` itself, by giving it captions of the tags in question."""

    def __init__(self, project: Project) -> None:
        self._step: Step = project.step("cleaned")
        self._fates: dict[tuple[str, str], Fate] = {}

    def ask(self, subjects: Iterable[Subject], tags: Mapping[str, Collection[str]]) -> None:
        """Learn the fates of each item's tags, concept by concept."""
        asked: dict[str, dict[str, None]] = defaultdict(dict)
        by_concept: dict[str, Subject] = {}
        for subject in subjects:
            if tags.get(subject.key):
                by_concept.setdefault(concept_of(subject.key), subject)
                asked[concept_of(subject.key)] |= dict.fromkeys(tags[subject.key])
        for concept, subject in by_concept.items():
            missing = [tag for tag in asked[concept] if (concept, tag) not in self._fates]
            plain = msgspec.structs.replace(subject, caption=format_canonical(missing), record=None)
            origins = self._step.stage.origins
            told = origins(plain, self._step.given) if origins is not None and missing else {}
            self._fates.update({(concept, tag): fate_of(tag, told) for tag in missing})

    def fate(self, key: str, tag: str) -> Fate:
        """What becomes of a tag that was asked about, in a caption of an item's concept."""
        return self._fates.get((concept_of(key), tag), Fate((tag,)))

    def own_words(self, subjects: Sequence[Subject], relations: Relations) -> dict[str, frozenset[str]]:
        """Key → what `cleaned` writes whatever the caption is: the trigger, the profile's words."""
        bare = [msgspec.structs.replace(subject, caption="") for subject in subjects]
        outcomes = self._step.stage.decide(bare, self._step.given)
        prompts = {one.key: one.caption or "" for one in outcomes if isinstance(one, Keep)}
        known = {text: said_by(text, relations).tags for text in set(prompts.values())}
        return {key: known[text] for key, text in prompts.items()}


def fate_of(tag: str, origins: Mapping[str, Origin]) -> Fate:
    """A tag's fate, as the origins of a prompt tell it that was made of a caption with the tag."""
    origin = origins.get(tag)
    if origin is None or not origin.removed:
        return Fate((tag,))
    names = tuple(name for name, other in origins.items() if other.was == tag and not other.removed)
    if names:
        return Fate(names)
    if origin.kind in _LEFT_OUT:
        return Fate((), origin.detail)
    return Fate((tag,))


def written_by_stages(
    project: Project, stage: str, keys: Collection[str], relations: Relations
) -> dict[str, frozenset[str]]:
    """Key → all that the stages' functions wrote into captions up to a stage, as they ran last, and what it implies.

    What is among it and not in the caption, a person took out.
    """
    dataset = project.dataset
    found: dict[str, frozenset[str]] = dict.fromkeys(keys, frozenset())
    for name in _CAPTIONED[: _CAPTIONED.index(stage) + 1]:
        lock = read_lock(dataset, dataset.head_tree, name)
        view = TreeView(dataset, bytes.fromhex(lock.auto) if lock is not None and lock.auto else None)
        for key in keys:
            blob = view.item(key).caption
            if blob is not None:
                text = dataset.objects.read(blob).decode("utf-8-sig", "replace")
                found[key] |= said_by(text, relations).everything
    return found
