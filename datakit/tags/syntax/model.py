"""What a prompt says, whatever it is written in: spans of text, each with its weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

import msgspec

from datakit.tags.escaping import unescapable

Kind = Literal["text", "break", "schedule"]
BREAK_WORD: Final = "BREAK"
NUM_DECIMALS: Final = 4


class Span(msgspec.Struct, frozen=True):
    """A stretch of a prompt."""

    text: str
    """Literal, nothing escaped; of a schedule (`[a:b:0.5]`, `[a|b]`) its source."""
    weight: float = 1.0
    """1 is neutral."""
    kind: Kind = "text"
    """`break` ends a chunk of 75 tokens; its text is BREAK and its weight says nothing."""


BREAK: Final = Span(BREAK_WORD, 1.0, "break")


class Written(msgspec.Struct, frozen=True):
    """A prompt in one language, and what that language could not say."""

    text: str
    notes: tuple[str, ...] = ()


class Syntax(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt language."""

    name: str
    aliases: tuple[str, ...] = ()
    title: str
    """As people call it."""
    parse: Callable[[str], tuple[Span, ...]]
    """Never fails: what is not well formed is read as the program itself reads it."""
    write: Callable[[Sequence[Span]], Written]


def number(weight: float) -> str:
    """A weight as all the languages read it: no exponent, at most four decimals."""
    text = f"{weight:.{NUM_DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def is_neutral(span: Span) -> bool:
    """Whether the span needs no mark: no weight that would survive rounding."""
    return number(span.weight) == "1"


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same prompt with as few spans as can be: no empty text, no blanks beside a break, equal neighbours joined."""
    found: list[Span] = []
    for span in spans:
        last = found[-1] if found else BREAK
        text = span.text.lstrip() if last.kind == "break" and found and span.kind == "text" else span.text
        if span.kind == "break" and last.kind == "text":
            found[-1] = Span(last.text.rstrip(), last.weight)
            if not found[-1].text:
                found.pop()
        if span.kind != "text":
            found.append(span)
        elif text and last.kind == "text" and number(last.weight) == number(span.weight):
            found[-1] = Span(last.text + text, last.weight)
        elif text:
            found.append(Span(text, span.weight))
    return tuple(found)


def without_breaks(spans: Iterable[Span]) -> tuple[list[Span], list[str]]:
    """The spans with a comma for each break, for a language without them, and what is to be said about it."""
    found: list[Span] = []
    notes: list[str] = []
    is_broken = False
    for span in spans:
        if span.kind == "break":
            notes = ["BREAK is written as a comma: nothing else ends a chunk there"]
            is_broken = True
            continue
        if is_broken:
            span = _trimmed(span, right=False)
            if found:
                found[-1] = _trimmed(found[-1], right=True)
                found.append(Span(", "))
        is_broken = False
        found.append(span)
    return list(merged(found)), notes


def _trimmed(span: Span, *, right: bool) -> Span:
    """The span without the blanks and commas on one side."""
    if span.kind != "text":
        return span
    text = span.text.rstrip(" ,") if right else span.text.lstrip(" ,")
    return Span(text, span.weight)


def notes_on(spans: Iterable[Span], target: Literal["a1111", "comfyui", "novelai"]) -> list[str]:
    """What the target will not read as it is meant: one sentence each."""
    notes: dict[str, None] = {}
    for span in spans:
        if span.kind == "text":
            notes |= dict.fromkeys(unescapable(span.text, target))
        elif span.kind == "schedule" and target != "a1111":
            notes[f"'{span.text}': only A1111 has schedules; it is left as it is"] = None
        if span.kind == "text" and span.weight < 0 and target != "novelai":
            notes[f"'{span.text.strip(' ,')}': a weight below 0 is NovelAI's; consider the negative prompt"] = None
    return list(notes)
