"""What taggers and the command say of images: asking them, and reading their answers."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

import msgspec

from datakit.config import digest
from datakit.errors import DskError, InputError
from datakit.model.stage import FAILED, Job, Look, Product, Subject
from stages.captioning.settings import SCRAPED, Given, Settings
from stages.captioning.sources import known_tags
from stages.wording import count

COMMAND: Final = "command"
"""Name of the command's look."""
_CHUNK: Final = 512
"""Images that go through one tagger before the next is loaded, where there are several."""
_NOT_ASKED: Final = Product(facts={FAILED: "the run ended before"})

Answers = Generator[tuple[int, dict[str, Any]], None, None]


class Asked(NamedTuple):
    """What the command is told of an item beside its image."""

    key: str
    tags: tuple[str, ...]
    caption: str


class Seen(NamedTuple):
    """A tag that taggers saw."""

    score: float
    tagger: str
    """Those that took it."""


def looks(subject: Subject, given: Given) -> list[Look]:
    """One for each tagger that is asked about the item, and the command's."""
    found = [_tagger_look(tagger) for tagger in given.taggers] if _is_asked(subject, given.settings) else []
    settings = given.settings
    if settings.command:
        key = digest((settings.command, settings.command_version))
        scraped = (subject.scraped_caption or "").strip() if settings.policy in SCRAPED else ""
        asked = Asked(subject.key, tuple(known_tags(subject, settings)), scraped)
        found.append(Look(name=COMMAND, key=f"{COMMAND}:{key}", options=asked))
    return found


def check(concepts: Collection[str], given: Given) -> None:
    """Refuse to begin without what the run needs.

    Raises:
        StateError: a tagger's files are not here, or the command is not allowed; the hint has the command that helps.
    """
    del concepts
    if given.taggers:
        from datakit.taggers.finding import require

        for tagger in given.taggers:
            require(tagger)
    if given.settings.command:
        from datakit.taggers.command import require_allowed

        require_allowed(given.settings.command)


def inspect_many(jobs: Sequence[Job], given: Given) -> Generator[tuple[int, Sequence[Product]], None, None]:
    """Every image by those of its looks that nobody remembers, one tagger in memory at a time."""
    kinds = list(dict.fromkeys(look.name for job in jobs for look in job.looks))
    size = len(jobs) if len(kinds) == 1 else _CHUNK
    for start in range(0, len(jobs), size):
        chunk = jobs[start : start + size]
        answers: list[dict[str, Product]] = [{} for _ in chunk]
        told: set[int] = set()
        try:
            with closing(_all_kinds(kinds, chunk, given)) as found:
                for at, kind, facts in found:
                    answers[at][kind] = Product(facts=facts)
                    if len(answers[at]) == len(chunk[at].looks):
                        told.add(at)
                        yield start + at, [answers[at][look.name] for look in chunk[at].looks]
        except (DskError, KeyboardInterrupt):
            # What some of the looks found is remembered all the same.
            for at in (at for at, some in enumerate(answers) if some and at not in told):
                yield start + at, [answers[at].get(look.name, _NOT_ASKED) for look in chunk[at].looks]
            raise


def _all_kinds(
    kinds: Sequence[str], chunk: Sequence[Job], given: Given
) -> Generator[tuple[int, str, dict[str, Any]], None, None]:
    """(Number of a job, name of its look, facts), one kind of look after the other."""
    for kind in kinds:
        asked = [(at, look) for at, job in enumerate(chunk) for look in job.looks if look.name == kind]
        with closing(_ask(kind, [(chunk[at], look) for at, look in asked], given)) as found:
            for number, facts in found:
                yield asked[number][0], kind, facts


def _ask(
    kind: str, asked: Sequence[tuple[Job, Look]], given: Given
) -> Generator[tuple[int, dict[str, Any]], None, None]:
    """(Number, facts) of each, as they are ready; what looked and how fast is told."""
    if not asked:
        return
    done, began = 0, time.monotonic()
    name = kind
    try:
        if kind == COMMAND:
            from datakit.taggers.command import ask_command

            settings = given.settings
            rows = [(job.read, look.options) for job, look in asked]
            source = ask_command(settings.command, rows, timeout_s=settings.command_timeout_s)
        else:
            from datakit.taggers.pipeline import tag
            from datakit.taggers.session import Session

            session = Session(asked[0][1].options)
            name, began = f"{session.found.name} on {session.provider}", time.monotonic()
            source = tag([job.read for job, _ in asked], session)
        with closing(source) as answers:
            for row in answers:
                done += 1
                yield row
    finally:
        seconds = max(time.monotonic() - began, 1e-3)
        given.told.append(f"{count(done, 'image')} by {name}, {done / seconds:.1f}/s")


def seen_tags(subject: Subject, given: Given) -> dict[str, Seen]:
    """The tags that the taggers give the item, the likeliest first; pure."""
    from datakit.taggers.voting import ballot_of, vote

    ballots = {}
    for tagger in given.taggers:
        packed = subject.facts.get(f"tagger:{tagger.name}", {}).get("scores")
        if packed is not None:
            selector = _selector(tagger, given)
            ballots[tagger.name] = ballot_of(selector, _unpacked(packed, selector, tagger))
    if not ballots:
        return {}
    settings = given.settings
    found = vote(list(ballots.values()), settings.votes, least=settings.least_votes)
    return {tag: Seen(score, _who(tag, ballots)) for tag, score in found.items()}


def _who(tag: str, ballots: Mapping[str, Any]) -> str:
    took = [name for name, ballot in ballots.items() if tag in ballot.taken]
    return " and ".join(took) if took else " and ".join(ballots)


def _selector(tagger: Any, given: Given) -> Any:
    """What chooses a tagger's tags: those of the settings' categories alone."""
    if tagger.name not in given.selectors:
        from datakit.taggers.finding import require
        from datakit.taggers.labels import read_labels
        from datakit.taggers.thresholds import Selector, selection_for

        require(tagger)
        settings = given.settings
        bars = {str(name): bar for name, bar in settings.thresholds.items()}
        how = selection_for(tagger.spec, thresholds=bars, mcut=settings.mcut)
        taken = {name: bar for name, bar in how.thresholds.items() if name in settings.categories}
        for name in settings.mcut:
            if name in settings.categories:
                taken.setdefault(name, 1.0)
        labels = read_labels(tagger.labels, tagger.spec.labels)
        # A character brings its series along, which is a copyright.
        how = msgspec.structs.replace(how, thresholds=taken, series="copyright" in settings.categories)
        given.selectors[tagger.name] = Selector(labels, how)
    return given.selectors[tagger.name]


def _unpacked(packed: bytes, selector: Any, tagger: Any) -> Any:
    from datakit.taggers.scores import unpack

    try:
        return unpack(packed, len(selector.labels.names))
    except ValueError as error:
        hint = "the label file is another model's: download both again"
        raise InputError(f"tagger {tagger.name}: remembered scores do not go with its labels", hint=hint) from error


def _tagger_look(tagger: Any) -> Look:
    from datakit.taggers.preprocess import VERSION

    return Look(name=f"tagger:{tagger.name}", key=f"tagger:{tagger.digest}:{VERSION}", options=tagger)


def _is_asked(subject: Subject, settings: Settings) -> bool:
    return settings.policy != "fill-missing" or len(known_tags(subject, settings)) < settings.fill_below
