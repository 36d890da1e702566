"""Edits of captions: functions from words to words, which leave the spelling of what they do not touch.

A caption may hold `|||`, where trainers find the tags that stay in their places: those before the first one, and
those behind a second. An edit that moves or adds tags works between them; one that removes or renames, everywhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from datakit.tags.captions import BAR, join_prose, split_prose
from datakit.tags.names import to_canonical, to_prompt
from datakit.tags.query.parsing import Pattern, fits, regex_of

_PIECES: Final = re.compile(r"(\|\|\|)|[,\r\n]")
_BETWEEN: Final = re.compile(r"[,\r\n]")
_SEPARATOR: Final = re.compile(r"[^\S\r\n]*(?:,[^\S\r\n]*(?:\r?\n)?|\r?\n)[^\S\r\n]*")


class Word(NamedTuple):
    """One tag of a caption, or a bar."""

    tag: str
    """Canonical name, or `BAR`."""
    text: str = ""
    """As the caption writes it; '' of a new one."""


Words = tuple[Word, ...]
Edit = Callable[[Words, Collection[str]], Words]
"""From a caption's words, and the tags that stay at its beginning (of its trigger), to the new words."""


def read_words(text: str) -> Words:
    """The tags and bars of a caption, in its order; a tag may come twice. Prose is left out."""
    text = split_prose(text)[0]
    if BAR not in text:
        return tuple([Word(tag, piece.strip()) for piece in _BETWEEN.split(text) if (tag := to_canonical(piece))])
    found: list[Word] = []
    for piece in _PIECES.split(text):
        if piece == BAR:
            found.append(Word(BAR, BAR))
        elif piece and (tag := to_canonical(piece)):
            found.append(Word(tag, piece.strip()))
    return tuple(found)


def write_words(words: Sequence[Word], old: str, spell: Callable[[str], str]) -> str:
    """The caption of some words in the layout of the old one, which comes back as it is where nothing changed.

    `spell` writes a new tag. Prose stays behind the tags.
    """
    words = tuple(words)
    if words == read_words(old):
        return old
    tags, prose = split_prose(old)
    if prose:
        return join_prose(write_words(words, tags, spell), prose)
    found = _SEPARATOR.search(old.strip())
    separator = found[0] if found else ", "
    parts: list[str] = []
    for word in words:
        if word.tag == BAR:
            parts.append(f" {BAR} ")
        else:
            if parts and parts[-1] != f" {BAR} ":
                parts.append(separator)
            parts.append(word.text or spell(word.tag))
    end = re.search(r"\s*\Z", old)
    return "".join(parts).strip() + (end[0] if end and old.strip() else "")


def movable(words: Sequence[Word], held: Collection[str]) -> tuple[int, int]:
    """Where the words begin and end that may change places: between bars, and behind the trigger."""
    bars = [at for at, word in enumerate(words) if word.tag == BAR]
    start = bars[0] + 1 if bars else 0
    end = bars[1] if len(bars) > 1 else len(words)
    while start < end and words[start].tag in held:
        start += 1
    return start, end


def adding(tags: Iterable[str], *, place: Literal["first", "last"] = "last", after: str = "") -> Edit:
    """Add tags that are not there, behind the tag `after` where that is there."""
    wanted = tuple(dict.fromkeys(tags))

    def edit(words: Words, held: Collection[str]) -> Words:
        there = {word.tag for word in words}
        new = tuple(Word(tag) for tag in wanted if tag not in there)
        start, end = movable(words, held)
        at = start if place == "first" else end
        if after in there:
            at = next(index for index, word in enumerate(words) if word.tag == after) + 1
        return words[:at] + new + words[at:]

    return edit


def removing(patterns: Sequence[Pattern]) -> Edit:
    """Take away tags that fit one of the patterns."""

    def edit(words: Words, held: Collection[str]) -> Words:
        del held
        return tuple(word for word in words if word.tag == BAR or not any(fits(one, word.tag) for one in patterns))

    return edit


def replacing(pattern: Pattern, tags: Sequence[str]) -> Edit:
    """Put other tags in the place of the first that fits; further ones that fit go. None comes twice."""
    return _exchanging(lambda tag: tags if fits(pattern, tag) else (tag,))


def renaming(pattern: Pattern, new: str) -> Edit:
    r"""Give another name to tags that fit; of a regular expression, `new` may hold `\1` or `\g<name>`."""
    if pattern.kind != "regex":
        return replacing(pattern, (to_canonical(new),))
    compiled = regex_of(pattern)
    compiled.sub(new, "")
    return _exchanging(lambda tag: (to_canonical(compiled.sub(new, tag)),) if compiled.search(tag) else (tag,))


def renaming_all(names: Mapping[str, str]) -> Edit:
    """Give other names to tags, such as aliases their canonical ones."""
    return _exchanging(lambda tag: (names.get(tag, tag),))


def _exchanging(names: Callable[[str], Sequence[str]]) -> Edit:
    """Put tags in the places of others; what is there already, or was put there, is not put there again."""

    def edit(words: Words, held: Collection[str]) -> Words:
        del held
        found: list[Word] = []
        becomes = [(word.tag,) if word.tag == BAR else tuple(filter(None, names(word.tag))) for word in words]
        stays = {word.tag for word, new in zip(words, becomes, strict=True) if new == (word.tag,)}
        put: set[str] = set()
        for word, new in zip(words, becomes, strict=True):
            if new == (word.tag,):
                found.append(word)
                continue
            for tag in new:
                if tag not in stays and tag not in put:
                    put.add(tag)
                    found.append(word if tag == word.tag else Word(tag))
        return tuple(found)

    return edit


def moving_first(tags: Iterable[str]) -> Edit:
    """Put tags that are there in front of the others, in the order that is given."""
    ranks = {tag: rank for rank, tag in enumerate(dict.fromkeys(tags))}

    def edit(words: Words, held: Collection[str]) -> Words:
        start, end = movable(words, held)
        inner = sorted(words[start:end], key=lambda word: ranks.get(word.tag, len(ranks)))
        return words[:start] + tuple(inner) + words[end:]

    return edit


def sorting(key: Callable[[str], object]) -> Edit:
    """Sort tags by a key; equals keep their order."""

    def edit(words: Words, held: Collection[str]) -> Words:
        start, end = movable(words, held)
        inner = sorted(words[start:end], key=lambda word: key(word.tag))  # type: ignore[arg-type,return-value]
        return words[:start] + tuple(inner) + words[end:]

    return edit


def deduping(words: Words, held: Collection[str]) -> Words:
    """Of tags that come twice, the first stays."""
    del held
    seen: set[str] = set()
    found: list[Word] = []
    for word in words:
        if word.tag == BAR or word.tag not in seen:
            found.append(word)
            seen.add(word.tag)
    return tuple(found)


def pruning(implied: Callable[[str], Collection[str]]) -> Edit:
    """Take away tags that another tag of the caption implies."""

    def edit(words: Words, held: Collection[str]) -> Words:
        tags = {word.tag for word in words if word.tag != BAR}
        gone = {name for tag in tags for name in implied(tag) if tag not in implied(name)} - set(held)
        return tuple(word for word in words if word.tag == BAR or word.tag not in gone)

    return edit


def changes(before: Words, after: Words) -> tuple[list[str], list[str]]:
    """Tags that came and tags that went; one that comes twice and stays once is one that went."""
    old, new = (Counter(word.tag for word in words if word.tag != BAR) for words in (before, after))
    return list((new - old).elements()), list((old - new).elements())


def speller(words: Words, default: Callable[[str], str]) -> Callable[[str], str]:
    """How a caption writes its tags: with spaces or with underscores; `default` where it does not show."""
    spaces = underscores = 0
    for word in words:
        if to_prompt(word.tag) != word.tag:
            underscores += "_" in word.text
            spaces += "_" not in word.text
    if spaces == underscores:
        return default
    return to_prompt if spaces > underscores else str
