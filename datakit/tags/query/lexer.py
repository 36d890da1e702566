"""The query language's tokens: words with their values, parentheses, and the signs between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

OPERATORS: Final = (":", ">=", "<=", "!=", "=", "<", ">")
_NAME: Final = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(:|>=|<=|!=|==|=|<|>)")
_DISTANCE: Final = re.compile(r"~[0-9]+")
_SAID: Final = {"or": "|", "and": "", "not": "-"}
_SPACE: Final = frozenset(" \t\r\n\f\v\u3000\u00a0")
_ENDS_VALUE: Final = _SPACE | frozenset("|,")


class QueryError(Exception):
    """What is wrong with a query, and where."""

    def __init__(self, message: str, at: int, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.hint = hint


class Value(NamedTuple):
    """What stands behind a colon, or alone."""

    kind: Literal["bare", "quoted", "regex"]
    text: str
    at: int
    ignores_case: bool = False
    tail: str = ""
    """`~4` behind a quoted value."""

    @property
    def is_bare(self) -> bool:
        """Whether it stands there without quotes, so that `*` is a pattern."""
        return self.kind == "bare"


class Token(NamedTuple):
    """A word, a sign or the end."""

    kind: Literal["word", "(", ")", "-", "|", "end"]
    at: int
    text: str = ""
    name: str = ""
    """In front of the operator; '' of a word alone."""
    operator: str = ""
    values: tuple[Value, ...] = ()


def tokens_of(text: str) -> list[Token]:
    """All tokens; the last one is an end.

    Raises:
        QueryError: a quote or a regular expression is not closed, or a value is missing.
    """
    return [*_tokens(text), Token("end", len(text))]


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        sign = text[at]
        if sign in _SPACE:
            at += 1
        elif sign in "()|":
            yield Token(sign, at)  # type: ignore[arg-type]
            at += 1
        elif sign == "-":
            yield Token("-", at)
            at += 1
        else:
            token, at = _word(text, at)
            said = _SAID.get(token.text.lower()) if not token.name and token.values[0].is_bare else None
            if said is None:
                yield token
            elif said:
                yield Token(said, token.at)  # type: ignore[arg-type]


def _word(text: str, start: int) -> tuple[Token, int]:
    named = _NAME.match(text, start)
    name, operator = (named[1].lower().replace("_", "-"), named[2].replace("==", "=")) if named else ("", "")
    at = named.end() if named else start
    values = []
    while True:
        value, at = _value(text, at)
        values.append(value)
        if at >= len(text) or text[at] != ",":
            break
        at += 1
    return Token("word", start, text[start:at], name, operator, tuple(values)), at


def _value(text: str, at: int) -> tuple[Value, int]:
    if text[at : at + 1] == '"':
        return _quoted(text, at)
    if text[at : at + 1] == "/":
        return _regex(text, at)
    end, depth = at, 0
    while end < len(text) and text[end] not in _ENDS_VALUE:
        if text[end] == ")" and depth == 0:
            break
        depth += (text[end] == "(") - (text[end] == ")")
        end += 1
    if end == at:
        raise QueryError("a value is missing", at, hint='words side by side mean and; signs go in quotes: tag:":d"')
    return Value("bare", text[at:end], at), end


def _quoted(text: str, start: int) -> tuple[Value, int]:
    found: list[str] = []
    at = start + 1
    while at < len(text):
        if text[at] == '"':
            tail = _DISTANCE.match(text, at + 1)
            end = tail.end() if tail else at + 1
            _refuse_more(text, end)
            return Value("quoted", "".join(found), start, tail=tail[0] if tail else ""), end
        if text[at] == "\\" and text[at + 1 : at + 2] in ('"', "\\"):
            at += 1
        found.append(text[at])
        at += 1
    raise QueryError("a quote is not closed", start)


def _regex(text: str, start: int) -> tuple[Value, int]:
    at = start + 1
    while at < len(text):
        if text[at] == "/":
            ignores_case = text[at + 1 : at + 2] == "i"
            end = at + 1 + ignores_case
            _refuse_more(text, end)
            return Value("regex", text[start + 1 : at], start, ignores_case), end
        at += 2 if text[at] == "\\" else 1
    hint = 'a tag that begins with it goes in quotes: "/\\/"'
    raise QueryError("a regular expression is not closed with '/'", start, hint=hint)


def _refuse_more(text: str, at: int) -> None:
    if at < len(text) and text[at] not in _ENDS_VALUE | {")"}:
        raise QueryError("a space is missing", at)
