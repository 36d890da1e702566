"""What taggers see in the images of a stage: from the memo, or by the very pipeline of `captioned`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from datakit.actions.project import STAGES, Project
from datakit.errors import UsageError
from datakit.model.progress import Progress, silent
from datakit.model.stage import Subject
from datakit.repo.transitions.inspecting import all_recalled, inspected
from datakit.taggers.finding import Found, find_tagger, require
from datakit.taggers.labels import read_labels
from datakit.taggers.scores import unpack
from datakit.taggers.thresholds import Selector, selector_for
from datakit.taggers.voting import ballot_of, vote
from datakit.tags.exclusive import rivals_of
from datakit.tags.seeing import Relations, Sight

Floats = NDArray[np.float32]


def taggers_of(project: Project, named: Sequence[str] = ()) -> tuple[str, ...]:
    """The taggers that are named, else those of `[captioned]`.

    Raises:
        UsageError: there are none.
    """
    found = tuple(named) or tuple(project.settings("captioned").taggers)
    if not found:
        hint = '--tagger NAME, or taggers = ["NAME"] under [captioned] in dsk.toml; dsk taggers lists them'
        raise UsageError("no tagger to see with", hint=hint)
    return found


def are_here(project: Project, taggers: Sequence[str]) -> bool:
    """Whether the files of all of them are on this computer."""
    return all(find_tagger(name, root=project.dataset.root).is_here for name in taggers)


def relations_of(project: Project) -> Relations:
    """What the dataset's vocabulary says of tags."""
    vocabulary = project.vocabulary
    return Relations(canonical=vocabulary.canonical, implied=vocabulary.implied, rivals=rivals_of())


class _Tagger:
    """One tagger whose files are here."""

    def __init__(self, found: Found, canonical: Callable[[str], str], categories: Collection[str]) -> None:
        assert found.labels is not None
        self.look = f"tagger:{found.name}"
        self._labels = read_labels(found.labels, found.spec.labels)
        self._selector: Selector = selector_for(found.spec, self._labels)
        self._canonical = canonical
        self._names = {name: canonical(name) for name in self._selector.known}
        self.known = frozenset(self._names.values())
        self._places = np.fromiter(self._selector.known.values(), np.intp, len(self._names))
        self._tags = list(self._names.values())
        kinds = {name: self._labels.categories[place] for name, place in self._selector.known.items()}
        series = {name for names in self._labels.series.values() for name in names}
        self.wanted = frozenset(name for name in {*kinds, *series} if kinds.get(name, "copyright") in categories)
        """Tags of the categories that captions are made of."""

    def ballot(self, facts: Mapping[str, Any]) -> Any:
        """Its vote on an image."""
        return ballot_of(self._selector, unpack(facts["scores"], len(self._labels.names)))

    def scores(self, ballot: Any) -> dict[str, float]:
        """Canonical name → score, of what it sees at all."""
        scores = ballot.scores[self._places]
        found: dict[str, float] = {}
        for at in np.flatnonzero(scores):
            tag = self._tags[at]
            found[tag] = max(float(scores[at]), found.get(tag, 0.0))
        return found


def sights_of(
    project: Project,
    subjects: Sequence[Subject],
    taggers: Sequence[str],
    *,
    said: Mapping[str, Collection[str]] | None = None,
    only_remembered: bool = False,
    progress: Progress = silent,
) -> dict[str, Sight]:
    """Key → what taggers see; images that none of them could look at are left out.

    `said`: key → canonical names that the scores are asked of, whatever they are; without it only what is taken counts,
    and `Sight.scores` are empty. Tags of categories that `[captioned]` does not take are not taken here either.

    Raises:
        StateError: a tagger's files are not here; the hint has the command that brings them.
    """
    root = project.dataset.root
    canonical = project.vocabulary.canonical
    categories = project.settings("captioned").categories
    seeing = [_Tagger(require(find_tagger(name, root=root)), canonical, categories) for name in taggers]
    wanted = frozenset().union(*(one.wanted for one in seeing))
    looked = _looked(project, subjects, taggers, only_remembered=only_remembered, progress=progress)
    found: dict[str, Sight] = {}
    for subject in looked:
        able = [one for one in seeing if "scores" in subject.facts.get(one.look, {})]
        if able:
            ballots = [one.ballot(subject.facts[one.look]) for one in able]
            taken: dict[str, float] = {}
            for name, score in vote(ballots, "mean").items():
                if name in wanted:
                    taken.setdefault(canonical(name), score)
            scores: dict[str, float] = {}
            if said is not None:
                rows = [(one.known, one.scores(ballot)) for one, ballot in zip(able, ballots, strict=True)]
                scores = _mean(rows, said[subject.key])
            found[subject.key] = Sight(taken=taken, scores=scores)
    return found


def _mean(seen: Sequence[tuple[Collection[str], Mapping[str, float]]], asked: Iterable[str]) -> dict[str, float]:
    """The mean score of those taggers that know a tag, of all that any of them sees, and all that are asked for."""
    tags = {tag for _, scores in seen for tag in scores}
    tags |= {tag for tag in asked if any(tag in known for known, _ in seen)}
    found: dict[str, float] = {}
    for tag in tags:
        votes = [scores.get(tag, 0.0) for known, scores in seen if tag in known]
        found[tag] = sum(votes) / len(votes)
    return found


def _looked(
    project: Project, subjects: Sequence[Subject], taggers: Sequence[str], *, only_remembered: bool, progress: Progress
) -> list[Subject]:
    """The subjects with the taggers' facts."""
    stage = STAGES.load("captioned")
    own = project.settings("captioned")
    settings = msgspec.structs.replace(own, policy="tagger", taggers=tuple(taggers), command="")
    given = project.prepared(stage, settings).given
    if only_remembered:
        return all_recalled(project.dataset, stage, given, subjects)
    return inspected(project.dataset, stage, given, subjects, progress)
