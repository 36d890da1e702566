"""From the tags of an image to the prompt that it is trained with.

Nothing is escaped: trainers read captions literally.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from datakit.tags.captions import SEPARATOR, format_prompt
from datakit.tags.names import to_canonical, to_prompt
from datakit.tags.profiles.profile import Profile, Slot, Word
from datakit.tags.profiles.words import Said

_GENERAL: Final[Slot] = "general"
_NO_WORDS: Final[Mapping[Word, Sequence[Said]]] = MappingProxyType({})


class Tag(NamedTuple):
    """A tag of a caption, as far as its place in the prompt goes."""

    name: str
    """Canonical."""
    category: str = _GENERAL
    is_of_site: bool = False
    """Whether the site says it of the image; such a tag is never taken for one of the profile's own words."""


class Piece(NamedTuple):
    """What stands between two commas of a prompt."""

    text: str
    slot: Slot
    tag: str = ""
    """The caption's tag that it is; '' for what the trigger, or the profile, adds."""
    reason: str = ""
    """Why the profile adds it."""


def compose(
    tags: Iterable[Tag],
    profile: Profile,
    *,
    trigger: str = "",
    words: Mapping[Word, Sequence[Said]] = _NO_WORDS,
    blacklist: Container[str] = (),
    keep_underscores: bool = False,
) -> list[Piece]:
    """A prompt, in the profile's order; no name in it twice.

    A caption that has a word of the profile's rating, year or quality itself gets no other one.

    Args:
        tags: of the caption, in its order.
        profile: the order, and what is written how.
        trigger: one or more comma-separated words; never blacklisted, never respelled. What it says is not repeated.
        words: what the profile adds for this image.
        blacklist: canonical names that are left out; whole names only.
        keep_underscores: write `long_hair` rather than `long hair`.
    """
    triggers = _words(trigger)
    parts: dict[Slot, list[Piece]] = {slot: [] for slot in profile.order}
    parts["trigger"] = [Piece(word, "trigger") for word in triggers]
    said = set(map(to_canonical, triggers))
    if "separator" in parts:
        said.add(to_canonical(profile.separator))
    spelling, affixes = profile.spelling, profile.affixes
    for tag in tags:
        name = tag.name
        if name in said or name in blacklist or (profile.drops and profile.dropped_for(name, tag.category)):
            continue
        text = spelling.get(name) or (name if keep_underscores else to_prompt(name))
        if tag.category in affixes:
            before, behind = affixes[tag.category]
            text = f"{before}{text}{behind}"
            written = to_canonical(text)
            if written in said or written in blacklist:
                continue
            said.add(written)
        said.add(name)
        slot = _slot(tag, profile)
        parts[slot].append(Piece(text, slot, name))
    if "people" in parts:
        parts["people"].sort(key=lambda piece: profile.ranks[piece.tag])
    for slot, some in words.items():
        if slot in parts and (slot == "extra" or not parts[slot]):
            parts[slot] += _unsaid((word for word in some if to_canonical(word.text) not in blacklist), slot, said)
    if "separator" in parts and any(parts.values()):
        parts["separator"] = [Piece(profile.separator, "separator", reason="parts what never moves from the rest")]
    return [piece for slot in profile.order for piece in parts[slot]]


def to_text(pieces: Iterable[Piece]) -> str:
    """The prompt as it is written."""
    return SEPARATOR.join(piece.text for piece in pieces)


def to_training_prompt(
    tags: Iterable[str],
    *,
    trigger: str = "",
    blacklist: Container[str] = (),
    keep_underscores: bool = False,
) -> str:
    """The plain prompt of an image: the trigger as it was typed, then its tags in their order, each once.

    What `compose` makes with the profile PLAIN, without its cost. See there for the arguments; `tags` are canonical
    names.
    """
    words = _words(trigger)
    said = set(map(to_canonical, words))
    kept = dict.fromkeys(tag for tag in tags if tag not in said and tag not in blacklist)
    return SEPARATOR.join([*words, *filter(None, [format_prompt(kept, keep_underscores=keep_underscores)])])


def _words(trigger: str) -> dict[str, None]:
    """The comma-separated words of a trigger, each once."""
    return dict.fromkeys(word for part in trigger.split(",") if (word := part.strip()))


def _unsaid(words: Iterable[Said], slot: Slot, said: set[str]) -> Iterable[Piece]:
    for word in words:
        name = to_canonical(word.text)
        if name not in said:
            said.add(name)
            yield Piece(word.text, slot, reason=word.reason)


def _slot(tag: Tag, profile: Profile) -> Slot:
    own = None if tag.is_of_site else profile.word_slot(tag.name)
    if own is not None:
        return own
    return "people" if tag.name in profile.ranks else profile.places.get(tag.category, _GENERAL)
