"""Who looks at drawn pictures: the dataset's taggers, asked as `dsk caption` asks them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from datakit.actions.defaulttagger import DEFAULT
from datakit.actions.project import Project
from datakit.errors import InputError, StateError, UsageError
from datakit.model.progress import Progress, silent
from datakit.registry import nearest

_STAGE: Final = "captioned"
_HOW: Final = 'taggers = ["wd-eva02-large-tagger-v3"] in [captioned], or --tagger NAME; dsk taggers lists them'


class _Asked(NamedTuple):
    """One tagger."""

    found: Any
    """A `finding.Found`."""
    selector: Any
    """A `thresholds.Selector`."""


class Judge:
    """The dataset's taggers, which vote where they are several."""

    def __init__(self, project: Project, name: str = "") -> None:
        """Those of `[captioned]`, or the one that is named.

        Raises:
            StateError: there is none, or its files are not here.
            ConfigError: nobody knows it.
        """
        self._settings = project.settings(_STAGE)
        told = (name,) if name else tuple(dict.fromkeys(self._settings.taggers))
        names = told or usual_taggers()
        if not names:
            raise StateError("no tagger that could look at the pictures", hint=_HOW)
        self._taggers = [self._asked(one, project.dataset.root) for one in names]
        self.name = " and ".join(names)
        self.is_told = bool(told)
        """Whether a person said who looks."""

    def _asked(self, name: str, root: Path) -> _Asked:
        from datakit.taggers.finding import find_tagger, require
        from datakit.taggers.labels import read_labels
        from datakit.taggers.thresholds import selector_for

        found = require(find_tagger(name, root=root))
        assert found.labels is not None
        labels = read_labels(found.labels, found.spec.labels)
        settings = self._settings
        bars = {str(category): bar for category, bar in settings.thresholds.items()}
        return _Asked(found, selector_for(found.spec, labels, thresholds=bars, mcut=settings.mcut))

    def general_tags(self) -> tuple[str, ...]:
        """The general tags that any of them can give, in the order of their label files."""
        found: dict[str, None] = {}
        for _, selector in self._taggers:
            categories = selector.labels.categories
            found |= {tag: None for tag, at in selector.known.items() if categories[at] == "general"}
        return tuple(found)

    def require_known(self, tags: Sequence[str], *, option: str) -> None:
        """Raises UsageError where none of them can give one of these tags, and names the nearest."""
        known = self.known()
        for tag in tags:
            if tag not in known:
                like = nearest(tag, sorted(known))
                hint = f"did you mean '{like}'?" if like else f"dsk taggers show {self.name.split(' ')[0]}"
                raise UsageError(f"{option} {tag}: {self.name} does not know this tag", hint=hint)

    def known(self) -> frozenset[str]:
        """All tags that any of them can give."""
        return frozenset(tag for _, selector in self._taggers for tag in selector.known)

    def look(self, paths: Sequence[Path], *, progress: Progress = silent) -> list[frozenset[str]]:
        """The tags of each picture.

        Raises:
            InputError: a picture cannot be read, or a model fails.
        """
        from datakit.taggers.voting import vote

        ballots: list[list[Any]] = [[] for _ in paths]
        for number, tagger in enumerate(self._taggers):
            for place, ballot in enumerate(self._ballots(tagger, paths, progress, number)):
                ballots[place].append(ballot)
        settings = self._settings
        return [frozenset(vote(some, settings.votes, least=settings.least_votes)) for some in ballots]

    def _ballots(self, tagger: _Asked, paths: Sequence[Path], progress: Progress, number: int) -> list[Any]:
        from datakit.taggers.pipeline import tag
        from datakit.taggers.scores import unpack
        from datakit.taggers.session import Session
        from datakit.taggers.voting import ballot_of

        made: dict[int, Any] = {}
        labels = len(tagger.selector.labels.names)
        with closing(tag([path.read_bytes for path in paths], Session(tagger.found))) as answers:
            for place, facts in answers:
                if "scores" not in facts:
                    raise InputError(f"{paths[place]}: {facts['unreadable']}", hint="remove it, and measure again")
                made[place] = ballot_of(tagger.selector, unpack(facts["scores"], labels))
                progress("looking", number * len(paths) + len(made), len(self._taggers) * len(paths))
        return [made[place] for place in range(len(paths))]


def usual_taggers() -> tuple[str, ...]:
    """Who looks where the dataset names no tagger: the small one that comes with dsk, where it does."""
    from datakit.taggers.specfiles import built_in_specs

    return (DEFAULT,) if DEFAULT in built_in_specs() else ()
