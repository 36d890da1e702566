"""The language of NovelAI.

`{x}` times 1.05, `[x]` divided by 1.05, `1.2::x, y::` a weight up to the next `::` or to the end, also below 0; the
brackets within multiply. Round brackets are text, and nothing can be escaped (docs.novelai.net on strengthening and
weakening). NovelAI publishes no parser: how it takes what is not well formed is our reading.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from datakit.tags.syntax.model import Span, Syntax, Written, is_neutral, merged, notes_on, number, without_breaks

UP: Final = 1.05
_MAX_LEVEL: Final = 200
_NUMBER: Final = r"(?<![\w.])-?(?:\d+\.?\d*|\.\d+)"
_MARK: Final = re.compile(rf"(?P<number>{_NUMBER})::|(?P<end>::)|(?P<bracket>[{{}}\[\]])")
_NEEDS_BLANK: Final = re.compile(rf"(?:{_NUMBER}|:) *$")
"""A text that would be one with the mark behind it: a blank, which is not the text's, keeps them apart."""
_NEEDS_BLANK_BEFORE: Final = re.compile(r"[\w.-]$")


class _State:
    """What weighs on the text at one place."""

    def __init__(self) -> None:
        self.given: float | None = None
        self.open = {"{": 0, "[": 0}

    @property
    def weight(self) -> float:
        level = max(-_MAX_LEVEL, min(_MAX_LEVEL, self.open["{"] - self.open["["]))
        return (1.0 if self.given is None else self.given) * UP**level

    def take(self, mark: re.Match[str]) -> bool:
        """Go past a mark; False for one that closes nothing, which is text."""
        if mark["number"]:
            self.given = float(mark["number"])
        elif mark["end"]:
            was, self.given = self.given, None
            return was is not None
        elif mark[0] in self.open:
            self.open[mark[0]] += 1
        else:
            opening = "{" if mark[0] == "}" else "["
            if not self.open[opening]:
                return False
            self.open[opening] -= 1
        return True


def parse(text: str) -> tuple[Span, ...]:
    """The spans of a prompt."""
    state = _State()
    found: list[Span] = []
    place = 0
    for mark in _MARK.finditer(text):
        weight = state.weight
        if state.take(mark):
            part = text[place : mark.start()]
            if mark["end"] and part.endswith(" ") and _NEEDS_BLANK.search(part):
                part = part[:-1]
            found.append(Span(part, weight))
            place = mark.end()
    found.append(Span(text[place:], state.weight))
    return tuple(span for span in found if span.text)


def write(spans: Sequence[Span]) -> Written:
    """The prompt with a number before each stretch that has a weight."""
    plain, notes = without_breaks(merged(spans))
    text = ""
    for span in plain:
        if is_neutral(span):
            text += span.text
            continue
        blank = " " if _NEEDS_BLANK_BEFORE.search(text) else ""
        inner = " " if _NEEDS_BLANK.search(span.text) else ""
        text += f"{blank}{number(span.weight)}::{span.text}{inner}::"
    return Written(text, (*notes, *notes_on(plain, "novelai")))


SYNTAX = Syntax(name="novelai", aliases=("nai",), title="NovelAI", parse=parse, write=write)
