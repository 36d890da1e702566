r"""The language of AUTOMATIC1111's web UI, Forge and their like.

`(x)` times 1.1, `[x]` divided by 1.1, `(x:1.3)`, nesting multiplies, `\(` is a bracket, `BREAK` begins a new chunk of
75 tokens, `[a:b:0.5]` and `[a|b]` change the prompt from step to step. What is not closed reaches to the end.
All of it as AUTOMATIC1111/stable-diffusion-webui:modules/prompt_parser.py has it (`parse_prompt_attention`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.tags.escaping import escape
from datakit.tags.syntax.model import (
    BREAK,
    BREAK_WORD,
    Kind,
    Span,
    Syntax,
    Written,
    is_neutral,
    merged,
    notes_on,
    number,
)
from datakit.tags.syntax.schedules import find_schedules

UP: Final = 1.1
_TOKEN: Final = re.compile(r"\\[()\[\]\\]?|[()\[\]]|:\s*([+-]?[.\d]+)\s*\)|[^\\()\[\]:]+|:")
_CUT: Final = re.compile(r"\s*\bBREAK\b\s*")
_BREAK_WEIGHT: Final = -1.0
"""By which the program knows a break from the word."""


class _Stretches:
    """Text and weight, in order, with the brackets that are open."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.weights: list[float] = []
        self.kinds: list[Kind] = []
        self.round: list[int] = []
        self.square: list[int] = []

    def add(self, text: str, weight: float = 1.0, kind: Kind = "text") -> None:
        self.texts.append(text)
        self.weights.append(weight)
        self.kinds.append(kind)

    def multiply(self, start: int, factor: float) -> None:
        for place in range(start, len(self.weights)):
            self.weights[place] *= factor

    def close_all(self) -> None:
        for start in self.round:
            self.multiply(start, UP)
        for start in self.square:
            self.multiply(start, 1 / UP)


def parse(text: str) -> tuple[Span, ...]:
    """The spans of a prompt, as the program reads it at its first step; schedules are kept as they are written."""
    found = _Stretches()
    place = 0
    for start, end in find_schedules(text):
        _read(text[place:start], found)
        found.add(text[start:end], 1.0, "schedule")
        place = end
    _read(text[place:], found)
    found.close_all()
    return tuple(_spans(found))


def _read(text: str, found: _Stretches) -> None:
    for match in _TOKEN.finditer(text):
        token, weight = match[0], _float(match[1])
        if token[0] == "\\":
            found.add(token[1:])
        elif token == "(":
            found.round.append(len(found.texts))
        elif token == "[":
            found.square.append(len(found.texts))
        elif weight is not None and found.round:
            found.multiply(found.round.pop(), weight)
        elif token == ")" and found.round:
            found.multiply(found.round.pop(), UP)
        elif token == "]" and found.square:
            found.multiply(found.square.pop(), 1 / UP)
        else:
            _add_words(token, found)


def _add_words(text: str, found: _Stretches) -> None:
    for number_, part in enumerate(_CUT.split(text)):
        if number_:
            found.add(BREAK_WORD, _BREAK_WEIGHT)
        found.add(part)


def _float(text: str | None) -> float | None:
    """None also for `1.2.3`, at which the program stops with an error: it is read as text."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _spans(found: _Stretches) -> Iterator[Span]:
    """Equal neighbours joined. A break is one only with its weight untouched: `(a BREAK b)` says the word."""
    joined: list[Span] = []
    for text, weight, kind in zip(found.texts, found.weights, found.kinds, strict=True):
        last = joined[-1] if joined else None
        if last is not None and kind == last.kind == "text" and last.weight == weight:
            joined[-1] = Span(last.text + text, weight)
        else:
            joined.append(Span(text, weight, kind))
    for span in joined:
        if span.kind == "text" and span.text == BREAK_WORD and span.weight == _BREAK_WEIGHT:
            yield BREAK
        elif span.text:
            yield span


def write(spans: Sequence[Span]) -> Written:
    """The prompt with one pair of brackets for each weight."""
    spans = merged(spans)
    return Written("".join(map(_written, spans)).strip(" "), tuple(notes_on(spans, "a1111")))


def _written(span: Span) -> str:
    if span.kind == "break":
        return f" {BREAK_WORD} "
    text = span.text if span.kind == "schedule" else escape(span.text, "a1111")
    return text if is_neutral(span) else f"({text}:{number(span.weight)})"


SYNTAX = Syntax(name="a1111", aliases=("forge", "webui"), title="A1111", parse=parse, write=write)
