r"""The language of ComfyUI.

`(x)` times 1.1, `(x:1.3)`, where an inner number replaces what stands around it; `\(` and `\)` are brackets, and any
other backslash is itself. An opening bracket that is never closed is text, and one closed too often makes text of all
that follows. As comfyanonymous/ComfyUI:comfy/sd1_clip.py has it (`token_weights`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.tags.escaping import escape
from datakit.tags.syntax.model import Span, Syntax, Written, is_neutral, merged, notes_on, number, without_breaks

UP: Final = 1.1
_MAX_DEPTH: Final = 200
"""Deeper brackets are text; the program itself stops with an error somewhat later."""
_LITERAL: Final = (("\\)", "\0\1", ")"), ("\\(", "\0\2", "("))
"""Escape, what stands for it while brackets are read, and what it says."""


def parse(text: str) -> tuple[Span, ...]:
    """The spans of a prompt."""
    for written, stand_in, _ in _LITERAL:
        text = text.replace(written, stand_in)
    found: list[Span] = []
    for part, weight in _weigh(text):
        for _, stand_in, said in _LITERAL:
            part = part.replace(stand_in, said)
        found.append(Span(part, weight))
    return tuple(span for span in found if span.text)


def _weigh(text: str) -> Iterator[tuple[str, float]]:
    """Text and weight in order; the stack holds what is still to be read, the next on top."""
    stack = [(text, 1.0, 0, False)]
    while stack:
        part, weight, depth, is_item = stack.pop()
        if not is_item:
            stack += [(item, weight, depth, True) for item in reversed(_items(part))]
        elif len(part) >= 2 and part[0] == "(" and part[-1] == ")" and depth < _MAX_DEPTH:
            inner, given = _given(part[1:-1])
            stack.append((inner, weight * UP if given is None else given, depth + 1, False))
        else:
            yield part, weight


def _given(text: str) -> tuple[str, float | None]:
    """The number behind the last colon, taken off the text."""
    colon = text.rfind(":")
    if colon > 0:
        try:
            weight = float(text[colon + 1 :])
        except ValueError:
            return text, None
        if math.isfinite(weight):
            return text[:colon], weight
    return text, None


def _items(text: str) -> list[str]:
    """The text cut into outermost brackets and what is between them."""
    found: list[str] = []
    level = start = 0
    for place, letter in enumerate(text):
        if letter == "(":
            if level == 0 and place > start:
                found.append(text[start:place])
                start = place
            level += 1
        elif letter == ")":
            level -= 1
            if level == 0:
                found.append(text[start : place + 1])
                start = place + 1
    return [*found, text[start:]] if start < len(text) else found


def write(spans: Sequence[Span]) -> Written:
    """The prompt with one pair of brackets for each weight."""
    plain, notes = without_breaks(merged(spans))
    return Written("".join(map(_written, plain)), (*notes, *notes_on(plain, "comfyui")))


def _written(span: Span) -> str:
    text = span.text if span.kind == "schedule" else escape(span.text, "comfyui")
    return text if is_neutral(span) else f"({text}:{number(span.weight)})"


SYNTAX = Syntax(name="comfyui", aliases=("comfy",), title="ComfyUI", parse=parse, write=write)
