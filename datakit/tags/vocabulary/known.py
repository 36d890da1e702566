"""What is known of tags: canonical names with category and count, aliases, implications, a blacklist."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final, Literal

import msgspec

from datakit.model.record import CATEGORIES
from datakit.tags.vocabulary.relations import implied_by

Role = Literal["tags", "aliases", "implications", "blacklist"]
UNKNOWN: Final = ""
_NUM_SHELVES: Final = 4096
_PLACE: Final = "I"
"""Of `array`: an unsigned number in the machine's own bytes, for the compiled form stays on one machine."""


class SourceNote(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a vocabulary was made of."""

    path: str
    role: Role
    num_rows: int
    """Rows that were understood."""
    num_left_out: int = 0
    """Rows that were not."""
    num_overruled: int = 0
    """Of a list of tags, those that an earlier row or file has already."""


class Compiled(msgspec.Struct, frozen=True, array_like=True):
    """A vocabulary's content, ready to be used: what is kept in its compiled form."""

    digest: str = ""
    names: str = ""
    """One a line, most used first: one long text is read in half the time of many short ones."""
    categories: bytes = b""
    """For each name, its category's place in CATEGORIES."""
    counts: tuple[int, ...] = ()
    """For each name, its posts."""
    aliases: dict[str, str] = {}
    """Alias → what it stands for in the end."""
    implications: dict[str, tuple[str, ...]] = {}
    """Tag → what it implies by itself; no circles."""
    blacklist: tuple[str, ...] = ()
    sources: tuple[SourceNote, ...] = ()
    problems: tuple[str, ...] = ()
    """What was left out of the files, and why."""
    shelves: tuple[tuple[str, bytes], ...] = ()
    """The names again, sorted by a checksum, each shelf with the places of its names: a command asks for few."""


def shelve(names: Sequence[str]) -> tuple[tuple[str, bytes], ...]:
    """Sort names and their places onto shelves."""
    held: list[tuple[list[str], array[int]]] = [([], array(_PLACE)) for _ in range(_NUM_SHELVES if names else 0)]
    for place, name in enumerate(names):
        on_it, places = held[_shelf_of(name)]
        on_it.append(name)
        places.append(place)
    return tuple(("\n".join(on_it), places.tobytes()) for on_it, places in held)


def _shelf_of(tag: str) -> int:
    return zlib.crc32(tag.encode("utf-8", "surrogatepass")) % _NUM_SHELVES


class Vocabulary:
    """What is known of tags; immutable. Takes and returns canonical names; those that it does not know are kept."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._blacklist = frozenset(compiled.blacklist)
        self._implied: dict[str, frozenset[str]] = {}
        self._places: dict[str, int] = {}
        self._seen_shelves: set[int] = set()

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self._compiled.names.split("\n")) if self._compiled.names else ()

    def _place(self, tag: str) -> int | None:
        """Where a name stands among all; None for what is none."""
        place = self._places.get(tag)
        if place is not None or not self._compiled.shelves:
            return place
        number = _shelf_of(tag)
        if number not in self._seen_shelves:
            names, places = self._compiled.shelves[number]
            self._places.update(zip(names.split("\n"), array(_PLACE, places), strict=False))
            self._seen_shelves.add(number)
        return self._places.get(tag)

    @property
    def digest(self) -> str:
        """16 hex digits that change with the content of any of its files; '' for no vocabulary at all."""
        return self._compiled.digest

    @property
    def sources(self) -> tuple[SourceNote, ...]:
        """The files that it was made of, those that win first."""
        return self._compiled.sources

    @property
    def problems(self) -> tuple[str, ...]:
        """What was left out of its files, and why."""
        return self._compiled.problems

    def __len__(self) -> int:
        return len(self._compiled.counts)

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, str) and self._place(tag) is not None

    def names(self) -> Sequence[str]:
        """Canonical names, most used first."""
        return self._names

    def canonical(self, tag: str) -> str:
        """The tag that an alias stands for; any other tag as it is."""
        return self._compiled.aliases.get(tag, tag)

    def category(self, tag: str) -> str:
        """One of CATEGORIES; '' for a tag that it does not know."""
        place = self._place(tag)
        return UNKNOWN if place is None else CATEGORIES[self._compiled.categories[place]]

    def count(self, tag: str) -> int:
        """Posts that have the tag; 0 for a tag that it does not know."""
        place = self._place(tag)
        return 0 if place is None else self._compiled.counts[place]

    def implied(self, tag: str) -> frozenset[str]:
        """All that a tag implies, also by way of others, without the tag itself."""
        found = self._implied.get(tag)
        if found is None:
            found = self._implied[tag] = implied_by(tag, self._compiled.implications)
        return found

    def blacklist(self) -> frozenset[str]:
        """Tags that the dataset does not want; of an alias both spellings."""
        return self._blacklist

    def aliases_of(self, tag: str) -> tuple[str, ...]:
        """Every alias that stands for a tag, sorted."""
        return tuple(sorted(alias for alias, name in self._compiled.aliases.items() if name == tag))

    def aliases(self) -> Iterator[tuple[str, str]]:
        """Every alias with the tag that it stands for."""
        yield from self._compiled.aliases.items()

    @property
    def num_aliases(self) -> int:
        """How many aliases it knows."""
        return len(self._compiled.aliases)

    @property
    def num_implications(self) -> int:
        """How many implications its files state; those that follow are not counted."""
        return sum(map(len, self._compiled.implications.values()))


NONE: Final = Vocabulary(Compiled())
"""Knows nothing."""


def encode_vocabulary(vocabulary: Vocabulary) -> bytes:
    """The compiled form: MessagePack, read by `decode_vocabulary`."""
    return msgspec.msgpack.encode(vocabulary._compiled)


def decode_vocabulary(data: bytes | memoryview) -> Vocabulary | None:
    """A vocabulary from its compiled form; None for what is none."""
    try:
        found = msgspec.msgpack.decode(data, type=Compiled)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    num_names = found.names.count("\n") + 1 if found.names else 0
    is_whole = len(found.categories) == num_names == len(found.counts)
    is_shelved = len(found.shelves) == (_NUM_SHELVES if num_names else 0)
    known = bytes(range(len(CATEGORIES)))
    is_known = not found.categories.translate(None, known)
    return Vocabulary(found) if is_whole and is_shelved and is_known else None
