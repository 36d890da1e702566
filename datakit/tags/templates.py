"""Caption templates: `{trigger}, {character}, {tags}, rated {rating}. {prose}`.

A template is parts with separators between them: commas, semicolons, bars, and the full stop before a space or the end.
A part whose fields are all empty is left out with the separator before it, so `by {artist}` is not written for an image
that no artist is known of. A part without fields is always written. Brackets around an empty field go with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from string import Formatter
from typing import Final, NamedTuple

from datakit.registry import nearest

_SEPARATOR: Final = re.compile(r"((?:\s*(?:[,;|]|\.(?=\s|$)))+\s*)")
_EMPTY: Final = "\0"
_IN_BRACKETS: Final = re.compile(r"\s*[(\[]\s*\0\s*[)\]]")
_STOPS: Final = (".", "!", "?", "…")


class Part(NamedTuple):
    """What stands between two separators."""

    before: str
    """The separator; '' for the first part."""
    pieces: tuple[tuple[str, str], ...]
    """(Text, the field behind it or '')."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of its fields."""
        return tuple(field for _, field in self.pieces if field)


class Template:
    """A template, ready to be filled."""

    def __init__(self, text: str, known: Collection[str]) -> None:
        """`known`: the fields that there are.

        Raises:
            ValueError: an unknown field (the nearest is named), a field twice, a line's end, or a stray bracket.
        """
        if re.search(r"[\r\n]", text):
            raise ValueError("template is one line: a prompt is")
        first, *rest = _SEPARATOR.split(text)
        found = [Part("", _pieces(first)), *(Part(*_pair(rest, at)) for at in range(0, len(rest), 2))]
        self.parts = tuple(part for part in found if part.pieces or part.before)
        self.fields = tuple(field for part in self.parts for field in part.fields)
        _check(self.fields, known)

    def fill(self, values: Mapping[str, str]) -> str:
        """The template with its fields filled; fields that `values` lacks are empty."""
        text = ""
        for before, pieces in self.parts:
            is_left_out = any(field for _, field in pieces) and not any(values.get(field) for _, field in pieces)
            inner = "" if is_left_out else _filled(pieces, values)
            if inner or (not pieces and text):
                text = _joined(text, before, inner)
        return text.strip()


def _pair(rest: list[str], at: int) -> tuple[str, tuple[tuple[str, str], ...]]:
    return rest[at], _pieces(rest[at + 1])


def _pieces(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"template: a bracket without its other half in '{text}'; {{{{ writes one") from error
    for words, field, spec, conversion in parsed:
        if spec or conversion:
            raise ValueError(f"template: '{field}' takes neither ':' nor '!'")
        if field == "":
            raise ValueError("template: {} names no field")
        found.append((words, field or ""))
    return tuple(found)


def _filled(pieces: tuple[tuple[str, str], ...], values: Mapping[str, str]) -> str:
    text = "".join(f"{words}{(values.get(field) or _EMPTY) if field else ''}" for words, field in pieces)
    return _IN_BRACKETS.sub("", text).replace(_EMPTY, "").strip()


def _joined(text: str, before: str, inner: str) -> str:
    if not text:
        return inner
    if before.lstrip().startswith(".") and text.endswith(_STOPS):
        before = before.replace(".", "", 1)
    return f"{text}{before}{inner}"


def _check(fields: Collection[str], known: Collection[str]) -> None:
    seen: set[str] = set()
    for field in fields:
        if field not in known:
            like = nearest(field, list(known))
            hint = f"did you mean {{{like}}}?" if like else "there are: " + ", ".join(f"{{{one}}}" for one in known)
            raise ValueError(f"template: there is no field {{{field}}}; {hint}")
        if field in seen:
            raise ValueError(f"template has {{{field}}} twice")
        seen.add(field)
