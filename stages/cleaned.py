"""The captions as prompts: `trigger, a b, c d`, one line each.

Emphasis such as `(hat:1.2)` is taken off, nothing is escaped, no tag comes twice, underscores become spaces except in
emoticons such as `^_^`, and the trigger word of the item's concept stands exactly as it is written in dsk.toml.
Between reading and writing the tags go through steps, which `stages/cleaning/writing.py` lists in their order: aliases
and replacements, blacklists, pruned traits, implications, conflicts, a limit.
`profile` says in which order all this comes, and which words for rating, year and quality are added: `plain` begins
with the trigger, keeps the caption's order and adds nothing. A `template` says it otherwise. Prose comes last.
An item without a caption gets the trigger and the profile's words alone, or no caption when there are none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec

from datakit.config import digest
from datakit.errors import ConfigError
from datakit.model.stage import Keep, Origin, Outcome, Prepared, Resources, Scope, Stage, Subject
from datakit.registry import nearest
from datakit.tags.profiles.profile import PLAIN, WORDS, Profile, parse_profile
from datakit.tags.profiles.ranks import Ranking, judge, rank_posts
from datakit.tags.templates import Template
from stages.cleaning.settings import FIELDS, Settings
from stages.cleaning.telling import tell_origins
from stages.cleaning.writing import Job, Writer
from stages.wording import count, dropped_parts, in_brackets, kept

_PROFILE = "profile"


def prepare(settings: Settings, resources: Resources) -> Prepared:
    """Read the profile; the vocabulary waits until something is computed.

    Raises:
        ConfigError: there is no such profile, or it has no words for what the template asks.
    """
    read = parse_profile(resources.profile_text(settings.profile), settings.profile)
    profile = msgspec.structs.replace(read, summary="")  # which changes no prompt
    vocabulary = resources.vocabulary_digest()
    uses = {"vocabulary": vocabulary} if vocabulary else {}
    if profile != PLAIN:
        uses[f"{_PROFILE} {settings.profile}"] = digest(profile)
    profile = _in_order(profile, settings)
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
    writer = Writer(_job(given))
    found: list[Outcome] = []
    for subject in subjects:
        read = writer.read(subject)
        tags = writer.cleaned(read)
        text = writer.write(tags, subject, read)
        found.append(Keep(key=subject.key, image=subject.image, caption=text or None, flags=writer.flags(tags)))
    return found


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 prompts`, or `21 prompts (1 item without a caption, 2 items with conflicting tags)`."""
    items = kept(outcomes)
    missing = sum(item.caption is None for item in items)
    conflicting = sum(bool(item.flags) for item in items)
    notes = [f"{count(missing, 'item')} without a caption"] if missing else []
    notes += [f"{count(conflicting, 'item')} with conflicting tags"] if conflicting else []
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
    """What is said of a misspelled concept would be missing from every one of its captions.

    Raises:
        ConfigError: `triggers` or `prune` name a concept that the dataset does not have.
    """
    settings = _job(given).settings
    for field, named in (("triggers", settings.triggers), ("prune", settings.prune)):
        for name in named:
            if concepts and name not in concepts:
                known = sorted(concepts)
                like = nearest(name, known)
                hint = f"did you mean '{like}'?" if like else f"concepts: {', '.join(filter(None, known))}"
                raise ConfigError(f"cleaned.{field}: there is no concept '{name}'", hint=hint)


def origins(subject: Subject, given: Job | Settings) -> dict[str, Origin]:
    """The trigger, the profile's words, and the tags that are written otherwise, added or left out."""
    return tell_origins(subject, _job(given))


def _in_order(profile: Profile, settings: Settings) -> Profile:
    """The profile in the template's order, where there is one.

    Raises:
        ConfigError: it has no words for a field of the template, which would be empty in every prompt.
    """
    if not settings.template:
        return profile
    fields = Template(settings.template, FIELDS).fields
    for slot in WORDS:
        has_words = any(profile.words_of(slot)) or (slot == "year" and profile.year.template)
        if slot in fields and not has_words:
            message = f"cleaned.template: profile {settings.profile} has no words for {{{slot}}}"
            raise ConfigError(message, hint=f"leave {{{slot}}} out, or name another profile: dsk profile")
    slots = ["general" if field == "tags" else field for field in fields if field != "prose"]
    order = (*slots, *(slot for slot in ("trigger", "general") if slot not in slots))
    return msgspec.structs.replace(profile, order=order)


def _job(given: Job | Settings) -> Job:
    return given if isinstance(given, Job) else Job(settings=given)


STAGE = Stage(
    name="cleaned",
    version=3,
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
