"""Choices inside a caption: `{red|blue} dress`; a brace that is meant is written twice, `{{` or `}}`.

The same reading as kohya-ss/sd-scripts:library/train_util.py (process_caption): a choice ends at the first single
closing brace, and `{}`, or a brace without its other half, stays as it is. Takes time in proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_TOKEN = re.compile(r"\{\{|\}\}|[{}]|[^{}]+")


def chosen(text: str, unit: Callable[[int], float]) -> str:
    """The text with one option of each choice; `unit(n)` in [0, 1) decides the n-th."""
    made: list[str] = []
    number = 0
    for piece in _pieces(text):
        if isinstance(piece, str):
            made.append(piece)
        else:
            made.append(piece[int(unit(number) * len(piece))])
            number += 1
    return "".join(made)


def has_choice(text: str) -> bool:
    """Whether two drawings of the text can differ."""
    return any(len(set(piece)) > 1 for piece in _pieces(text) if not isinstance(piece, str))


def _pieces(text: str) -> list[str | list[str]]:
    """Plain text, and the options of each choice; doubled braces are single ones now."""
    pieces: list[str | list[str]] = []
    inside: list[str] | None = None
    for token in _TOKEN.findall(text):
        plain = token[0] if token in ("{{", "}}") else token
        if inside is None and token == "{":
            inside = []
        elif inside is None:
            pieces.append(plain)
        elif token == "}":
            pieces.append("".join(inside).split("|") if inside else "{}")
            inside = None
        else:
            inside.append(plain)
    return pieces if inside is None else [*pieces, "{", *inside]
