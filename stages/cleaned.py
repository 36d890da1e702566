"""The captions as prompts: `trigger, a b, c d`.

Underscores become spaces except in emoticons such as `^_^`, emphasis such as `(hat:1.2)` is taken off, nothing is
escaped, no tag comes twice, blacklisted tags are left out, and the trigger word of the item's concept stands exactly as
it is written in dsk.toml. `profile` says in which order all this comes, and which words for rating, year and quality
are added: `plain` begins with the trigger, keeps the caption's order and adds nothing.
An item without a caption gets the trigger and the profile's words alone, or no caption when there are none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence

import msgspec

from datakit.config import digest
from datakit.errors import ConfigError
from datakit.model.item import concept_of
from datakit.model.stage import Keep, KnownTags, Origin, Outcome, Prepared, Resources, Scope, Stage, Subject
from datakit.registry import nearest
from datakit.tags.captions import parse_tags
from datakit.tags.emphasis import strip_emphasis
from datakit.tags.names import to_canonical
from datakit.tags.profiles.profile import PLAIN, Profile, parse_profile
from datakit.tags.profiles.ranks import Ranking, judge, rank_posts
from datakit.tags.profiles.words import words_for
from datakit.tags.prompt import Piece, Tag, compose, to_text, to_training_prompt
from stages.wording import count, dropped_parts, in_brackets, kept

_PROFILE = "profile"
_GENERAL = "general"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[cleaned]` of dsk.toml."""

    profile: str = "plain"
    """How prompts are written: `plain`, a model's name, or a file of `vocab/profiles`; see `dsk profile`."""
    trigger: str = ""
    """Trigger word of every concept that `triggers` does not name; empty for none."""
    triggers: dict[str, str] = {}
    """Concept → its trigger word, as in `triggers = {miku = "mikudress"}`; an empty word means none."""
    blacklist: tuple[str, ...] = ()
    """Tags that are left out, spelled with spaces or underscores; whole tags only."""
    keep_underscores: bool = False
    """Write `long_hair` rather than `long hair`."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The settings with what they name."""

    settings: Settings
    profile: Profile = PLAIN
    vocabulary: Callable[[], KnownTags] | None = None
    ranking: Ranking = Ranking(quality=PLAIN.quality)
    """Of all items, where the profile asks for it."""


def prepare(settings: Settings, resources: Resources) -> Prepared:
    """Read the profile; the vocabulary waits until something is computed."""
    read = parse_profile(resources.profile_text(settings.profile), settings.profile)
    profile = msgspec.structs.replace(read, summary="")  # which changes no prompt
    vocabulary = resources.vocabulary_digest()
    uses = {"vocabulary": vocabulary} if vocabulary else {}
    if profile != PLAIN:
        uses[f"{_PROFILE} {settings.profile}"] = digest(profile)
    job = Job(
        settings=settings,
        profile=profile,
        vocabulary=resources.vocabulary if vocabulary else None,
        ranking=Ranking(quality=profile.quality),
    )
    return Prepared(given=job, uses=uses)


def scope(given: Job | Settings) -> Scope:
    """Quality is a matter of all posts; everything else is each item's own."""
    return "all" if _job(given).profile.needs_ranking else "item"


def survey(subjects: Sequence[Subject], given: Job | Settings) -> Job:
    """Compare the posts."""
    job = _job(given)
    ranking = rank_posts(job.profile.quality, (subject.record for subject in subjects))
    return msgspec.structs.replace(job, ranking=ranking)


def decide(subjects: Sequence[Subject], given: Job | Settings) -> list[Outcome]:
    """Write each item's prompt."""
    writer = _Writer(_job(given))
    return [Keep(key=subject.key, image=subject.image, caption=writer.text(subject) or None) for subject in subjects]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 prompts`, or `21 prompts (1 item without a caption)`."""
    items = kept(outcomes)
    missing = sum(item.caption is None for item in items)
    notes = [f"{count(missing, 'item')} without a caption"] if missing else []
    return count(len(items) - missing, "prompt") + in_brackets([*notes, *dropped_parts(outcomes)])


def notes(subjects: Sequence[Subject], given: Job | Settings) -> list[str]:
    """Items that get no word for quality though the profile has some, by what they lack."""
    job = _job(given)
    if "quality" not in job.profile.order or not job.profile.quality.levels:
        return []
    lacks = Counter(judge(job.ranking, subject.record).lacks for subject in subjects)
    return [
        f"{count(lacks[reason], 'item')} without a word for quality: {reason} (profile {job.settings.profile})"
        for reason in sorted(filter(None, lacks))
    ]


def check(concepts: Collection[str], given: Job | Settings) -> None:
    """A trigger for a misspelled concept would be missing from every one of its captions.

    Raises:
        ConfigError: `triggers` names a concept that the dataset does not have.
    """
    for name in _job(given).settings.triggers:
        if concepts and name not in concepts:
            known = sorted(concepts)
            like = nearest(name, known)
            hint = f"did you mean '{like}'?" if like else f"concepts: {', '.join(filter(None, known))}"
            raise ConfigError(f"cleaned.triggers: there is no concept '{name}'", hint=hint)


def origins(subject: Subject, given: Job | Settings) -> dict[str, Origin]:
    """The trigger, the profile's words, and the tags that are written otherwise or left out."""
    job = _job(given)
    writer = _Writer(job)
    concept = concept_of(subject.key)
    named = f"cleaned.triggers.{concept}" if concept in job.settings.triggers else "cleaned.trigger"
    found = dict(_stripped(writer.caption(subject), writer.tags(subject)))
    found |= writer.left_out(subject)
    for piece in writer.pieces(subject):
        name = to_canonical(piece.text)
        if piece.slot == "trigger":
            found[name] = Origin(kind="trigger", detail=named)
        elif not piece.tag:
            found[name] = Origin(kind=_PROFILE, detail=f"{job.settings.profile}: {piece.reason}")
        elif name != piece.tag:
            was = found[piece.tag].was if piece.tag in found else piece.tag
            found[name] = Origin(kind=_PROFILE, detail=f"{job.settings.profile}: prefix or suffix", was=was)
            found[piece.tag] = msgspec.structs.replace(found[name], was="", removed=True)
    return found


class _Writer:
    """Prompts of one job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._known = job.vocabulary() if job.vocabulary is not None else None
        self._own = frozenset(map(to_canonical, job.settings.blacklist))
        self._others = self._known.blacklist() if self._known is not None else frozenset()
        self._blacklist = self._own | self._others

    def text(self, subject: Subject) -> str:
        """An item's prompt as it is written."""
        if self._job.profile != PLAIN:
            return to_text(self.pieces(subject))
        return to_training_prompt(
            self._names(subject),
            trigger=self._trigger(subject),
            blacklist=self._blacklist,
            keep_underscores=self._job.settings.keep_underscores,
        )

    def pieces(self, subject: Subject) -> list[Piece]:
        """An item's prompt."""
        return compose(
            self.tags(subject),
            self._job.profile,
            trigger=self._trigger(subject),
            words=words_for(self._job.profile, subject.record, self._job.ranking),
            blacklist=self._blacklist,
            keep_underscores=self._job.settings.keep_underscores,
        )

    def tags(self, subject: Subject) -> list[Tag]:
        """The caption's tags with their categories: as the site says, else the vocabulary, else general."""
        parsed = self._names(subject)
        if not self._job.profile.asks_categories:
            return list(map(Tag, parsed))
        of_site: dict[str, str] = {}
        for category, names in subject.record.tags.items() if subject.record is not None else ():
            of_site = dict.fromkeys(map(to_canonical, names), category) | of_site
        return [Tag(name, of_site.get(name) or self._category(name), name in of_site) for name in parsed]

    def left_out(self, subject: Subject) -> dict[str, Origin]:
        """Tags that a blacklist, or the profile, leaves out of the prompt."""
        profile, name = self._job.profile, self._job.settings.profile
        found: dict[str, Origin] = {}
        for tag in self.tags(subject):
            if tag.name in self._own or tag.name in self._others:
                where = "cleaned.blacklist" if tag.name in self._own else "vocab/blacklist.txt"
                found[tag.name] = Origin(kind="blacklist", detail=where, removed=True)
            elif part := profile.dropped_for(tag.name, tag.category):
                detail = f"{name}: {tag.category} tags with '{part}'"
                found[tag.name] = Origin(kind=_PROFILE, detail=detail, removed=True)
        return found

    def caption(self, subject: Subject) -> str:
        """An item's caption without the profile's separator, which may stand in it without commas: `sks ||| hat`."""
        profile, caption = self._job.profile, subject.caption or ""
        if "separator" not in profile.order or profile.separator not in caption:
            return caption
        return re.sub(rf"(?<![^\s,]){re.escape(profile.separator)}(?![^\s,])", ",", caption)

    def _names(self, subject: Subject) -> tuple[str, ...]:
        return parse_tags(strip_emphasis(self.caption(subject)))

    def _trigger(self, subject: Subject) -> str:
        settings = self._job.settings
        return settings.triggers.get(concept_of(subject.key), settings.trigger)

    def _category(self, name: str) -> str:
        """An alias is of the category of what it stands for, and stays as it is written."""
        known = self._known
        return (known.category(known.canonical(name)) if known is not None else "") or _GENERAL


def _stripped(caption: str, tags: Sequence[Tag]) -> Iterator[tuple[str, Origin]]:
    """Tags whose emphasis is taken off, and what stood there before."""
    before, after = parse_tags(caption), [tag.name for tag in tags]
    if list(before) == after:
        return
    pairs = dict(zip(after, before, strict=True)) if len(before) == len(after) else {}
    for name in before:
        if name not in after:
            yield name, Origin(kind="emphasis", detail="taken off", removed=True)
    for name in after:
        if name not in before:
            yield name, Origin(kind="emphasis", detail="taken off", was=pairs.get(name, ""))


def _job(given: Job | Settings) -> Job:
    return given if isinstance(given, Job) else Job(settings=given)


STAGE = Stage(
    name="cleaned",
    version=2,
    settings=Settings,
    decide=decide,
    scope=scope,
    prepare=prepare,
    survey=survey,
    check=check,
    notes=notes,
    origins=origins,
    summarise=summarise,
)
