"""The query language: words side by side mean and, `-` not, `or` or `|` either; parentheses and quotes.

A query is parsed to a tree of frozen values, and `format_query` writes the tree as the query that gives it again.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

from datakit.errors import UsageError
from datakit.registry import nearest
from datakit.tags.names import to_canonical
from datakit.tags.query.lexer import OPERATORS, QueryError, Token, Value, tokens_of
from datakit.tags.query.words import COMPARED, WORDS, QueryWord, bounds, how_written

NEAR_DISTANCE: Final = 8
"""Bits, of 64, in which the hashes of near duplicates differ at most, where a query says nothing else."""
MOST_DISTANCE: Final = 32
_MOST_DEEP: Final = 100
_LIKE: Final = 0.6


class Pattern(msgspec.Struct, frozen=True):
    """What a name is compared with: itself, a pattern with `*`, or a regular expression that is searched."""

    kind: Literal["is", "like", "regex"]
    text: str
    ignores_case: bool = False
    """Of a regular expression."""


class Match(msgspec.Struct, frozen=True):
    """A word whose value fits one of the patterns."""

    word: str
    patterns: tuple[Pattern, ...]


class Compare(msgspec.Struct, frozen=True):
    """A word whose number is compared."""

    word: str
    operator: str
    text: str


class Between(msgspec.Struct, frozen=True):
    """A word whose number lies between two, which belong to it; '' where one side is open."""

    word: str
    low: str
    high: str


class Flag(msgspec.Struct, frozen=True):
    """A word without a value."""

    word: str


class Near(msgspec.Struct, frozen=True):
    """The images that look like an item's."""

    item: str
    distance: int = NEAR_DISTANCE


class Not(msgspec.Struct, frozen=True):
    """All that the part does not find."""

    part: Node


class And(msgspec.Struct, frozen=True):
    """What every part finds; without parts, everything."""

    parts: tuple[Node, ...]


class Or(msgspec.Struct, frozen=True):
    """What one of the parts finds."""

    parts: tuple[Node, ...]


Node = Match | Compare | Between | Flag | Near | Not | And | Or
EVERYTHING: Final = And(())


def parse_query(text: str) -> Node:
    """The tree of a query; an empty one asks for everything.

    Raises:
        UsageError: not a query; shows the place, and the nearest right word.
    """
    try:
        return _Parser(tokens_of(text)).whole()
    except QueryError as error:
        mark = f"{text[: error.at]}⟨here⟩{text[error.at :]}"
        raise UsageError(
            f"query: {error.message}: {mark}", hint=error.hint or "docs/queries.md has every word"
        ) from error


def parse_pattern(text: str) -> Pattern:
    """One pattern for tags, as it stands behind `tag:`: `blue_hat`, `blue_*`, `/^blue/` or `"*"`.

    Raises:
        UsageError: not a pattern.
    """
    found = parse_query(text if text.startswith(('"', "/")) else f"tag:{text}" if text else '""')
    if not isinstance(found, Match) or found.word != "tag" or len(found.patterns) != 1:
        raise UsageError(f"'{text}' is not one tag", hint="quote it, as in '\"a, b\"'")
    return found.patterns[0]


@lru_cache(maxsize=1024)
def regex_of(pattern: Pattern) -> re.Pattern[str]:
    """The pattern as a regular expression; those of `is` and `like` are to match the whole."""
    if pattern.kind == "regex":
        return re.compile(pattern.text, re.IGNORECASE if pattern.ignores_case else 0)
    return re.compile(".*".join(map(re.escape, pattern.text.split("*"))), re.DOTALL)


def fits(pattern: Pattern, name: str) -> bool:
    """Whether a name fits."""
    if pattern.kind == "is":
        return name == pattern.text
    found = regex_of(pattern)
    return (found.search(name) if pattern.kind == "regex" else found.fullmatch(name)) is not None


class _Parser:
    """Recursive descent over tokens; the last one is an end."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        if len(self._tokens) == 1:
            return EVERYTHING
        found = self._either()
        if self._at < len(self._tokens) - 1:
            raise QueryError("a parenthesis closes that was not opened", self._next.at)
        return found

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _either(self) -> Node:
        parts = [self._all()]
        while self._next.kind == "|":
            self._at += 1
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Node:
        parts = []
        while self._next.kind in ("word", "-", "("):
            parts.append(self._one())
        if not parts:
            raise QueryError("a word is missing", self._next.at, hint='in quotes it is a tag: tag:"|_|"')
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Node:
        token = self._next
        self._at += 1
        if token.kind == "word":
            return _term(token)
        self._depth += 1
        if self._depth > _MOST_DEEP:
            raise QueryError("too many parentheses in each other", token.at)
        if token.kind == "-":
            if self._next.kind not in ("word", "-", "("):
                raise QueryError("a word is missing behind '-'", self._next.at)
            found: Node = Not(self._one())
        else:
            found = self._either()
            if self._next.kind != ")":
                raise QueryError("a parenthesis is not closed", token.at)
            self._at += 1
        self._depth -= 1
        return found


def _term(token: Token) -> Node:
    if not token.name:
        if len(token.values) == 1 and token.values[0].is_bare and token.values[0].text in WORDS:
            return _lone_word(token)
        return _match(WORDS["tag"], token)
    word = WORDS.get(token.name)
    if word is None:
        like = nearest(token.name, list(WORDS), cutoff=_LIKE)
        tag = f'a tag with that sign is written tag:"{token.text}"'
        raise QueryError(f"no word '{token.name}'", token.at, hint=f"did you mean '{like}'? {tag}" if like else tag)
    if word.kind == "flag":
        raise QueryError(f"'{word.name}' stands alone", token.at, hint=f"write {word.example}")
    if word.kind in COMPARED:
        return _comparison(word, token)
    if token.operator not in (":", "="):
        raise QueryError(f"'{word.name}' has no order", token.at, hint=f"write {word.example}")
    return _near(token) if word.kind == "near" else _match(word, token)


def _lone_word(token: Token) -> Node:
    word = WORDS[token.values[0].text]
    if word.kind == "flag":
        return Flag(word.name)
    if word.kind in COMPARED or word.kind == "near":
        hint = f"write {word.example}, or tag:{word.name} for the tag"
        raise QueryError(f"'{word.name}' needs a value", token.at, hint=hint)
    return _match(WORDS["tag"], token)


def _match(word: QueryWord, token: Token) -> Match:
    return Match(word.name, tuple(_pattern(word, value) for value in token.values))


def _pattern(word: QueryWord, value: Value) -> Pattern:
    if word.kind == "choice":
        return Pattern("is", _choice(word, value))
    if value.kind == "regex":
        try:
            re.compile(value.text)
        except (re.error, OverflowError, RecursionError) as error:
            raise QueryError(f"not a regular expression ({error})", value.at) from error
        return Pattern("regex", value.text, value.ignores_case)
    kind: Literal["is", "like"] = "like" if value.is_bare and "*" in value.text else "is"
    text = value.text
    if word.kind == "tag":
        text = text.lower() if kind == "like" else to_canonical(text)
    if not text:
        raise QueryError("an empty value", value.at, hint='"" is no tag; untagged finds items without any')
    return Pattern(kind, text)


def _choice(word: QueryWord, value: Value) -> str:
    text = value.text.lower()
    if text in word.choices:
        return text
    if word.name == "rating":
        short = next((choice for choice in word.choices if choice[0] == text), "")
        if short:
            return short
    like = nearest(text, list(word.choices))
    hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(word.choices)}"
    raise QueryError(f"'{word.name}' cannot be '{value.text}'", value.at, hint=hint)


def _comparison(word: QueryWord, token: Token) -> Node:
    if len(token.values) != 1 or token.values[0].kind == "regex":
        raise QueryError(f"'{word.name}' takes one value", token.at, hint=f"write {word.example}")
    value = token.values[0]
    low, dots, high = value.text.partition("..")
    if dots and token.operator in (":", "=") and (low or high):
        for part in filter(None, (low, high)):
            _check(word, part, value.at)
        return Between(word.name, low, high)
    _check(word, value.text, value.at)
    return Compare(word.name, "=" if token.operator == ":" else token.operator, value.text)


def _check(word: QueryWord, text: str, at: int) -> None:
    if bounds(word, text) is None:
        raise QueryError(f"'{text}' is not {how_written(word.kind)}", at, hint=f"write {word.example}")


def _near(token: Token) -> Near:
    if len(token.values) != 1 or token.values[0].kind == "regex":
        raise QueryError(f"'{token.name}' takes one item", token.at, hint=f"write {WORDS[token.name].example}")
    value = token.values[0]
    item, _, number = value.text.rpartition("~") if value.is_bare else (value.text, "", value.tail[1:])
    if not item or not (number.isascii() and number.isdigit()):
        return Near(value.text)
    if int(number) > MOST_DISTANCE:
        raise QueryError(f"a distance is at most {MOST_DISTANCE}", value.at, hint="of 64 bits; 8 is usual")
    return Near(item, int(number))


def format_query(node: Node) -> str:
    """The query that `parse_query` makes this tree of."""
    if isinstance(node, And | Or):
        return (" | " if isinstance(node, Or) else " ").join(map(_inner, node.parts))
    if isinstance(node, Not):
        return f"-{_inner(node.part)}"
    if isinstance(node, Match):
        word = WORDS[node.word]
        return f"{word.name}:{','.join(_format_pattern(pattern) for pattern in node.patterns)}"
    if isinstance(node, Compare):
        return f"{node.word}{node.operator}{node.text}"
    if isinstance(node, Between):
        return f"{node.word}:{node.low}..{node.high}"
    if isinstance(node, Near):
        return f"near-duplicate-of:{_format_near(node)}"
    return node.word


def _inner(node: Node) -> str:
    text = format_query(node)
    return f"({text})" if isinstance(node, And | Or) else text


_PLAIN: Final = re.compile(r'[^\s"*(),|/~\\' + re.escape("".join(OPERATORS)) + r"]+")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _format_pattern(pattern: Pattern) -> str:
    if pattern.kind == "regex":
        return f"/{pattern.text}/{'i' if pattern.ignores_case else ''}"
    if pattern.kind == "like":
        return pattern.text
    return pattern.text if _PLAIN.fullmatch(pattern.text) else _quoted(pattern.text)


def _format_near(node: Near) -> str:
    item = node.item if _PLAIN.fullmatch(node.item) else _quoted(node.item)
    return item if node.distance == NEAR_DISTANCE else f"{item}~{node.distance}"
