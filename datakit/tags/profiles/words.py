"""The words that a profile adds to a prompt, each with its reason."""

from __future__ import annotations

import msgspec

from datakit.model.record import RATINGS, Record
from datakit.tags.profiles.profile import Profile, Word
from datakit.tags.profiles.ranks import Ranking, judge


class Said(msgspec.Struct, frozen=True):
    """A word of a profile, as it is written."""

    text: str
    reason: str
    """For people: `rating general`."""


def words_for(profile: Profile, record: Record | None, ranking: Ranking) -> dict[Word, tuple[Said, ...]]:
    """Slot → words for an image with this record; `ranking` is of all posts of the dataset."""
    found: dict[Word, tuple[Said, ...]] = {"extra": _extra(profile, record)}
    if record is not None:
        found["rating"] = _rating(profile, record)
        found["year"] = _year(profile, record)
        if profile.quality.levels:
            judged = judge(ranking, record)
            found["quality"] = tuple(Said(word, f"quality, {judged.reason}") for word in judged.words)
    return {slot: words for slot, words in found.items() if words and slot in profile.order}


def _extra(profile: Profile, record: Record | None) -> tuple[Said, ...]:
    site = record.site if record is not None else ""
    own = next((one for one in profile.extra.sites if one.site.lower() == site), None)
    if own is not None:
        return tuple(Said(word, f"for posts of {site}") for word in own.words)
    return tuple(Said(word, "in every prompt") for word in profile.extra.words)


def _rating(profile: Profile, record: Record) -> tuple[Said, ...]:
    words: tuple[str, ...] = getattr(profile.rating, record.rating) if record.rating in RATINGS else ()
    return tuple(Said(word, f"rating {record.rating}") for word in words)


def _year(profile: Profile, record: Record) -> tuple[Said, ...]:
    digits = record.created_at[:4]
    if not (len(digits) == 4 and digits.isascii() and digits.isdigit()):
        return ()
    year = int(digits)
    words = [profile.year.word(year)] if profile.year.template else []
    words += [word for part in profile.year.ranges if part.first <= year <= part.last for word in part.words]
    return tuple(Said(word, f"year, posted in {year}") for word in words)
