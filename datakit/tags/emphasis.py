r"""Emphasis that got into captions from a prompt, told apart from tags with brackets.

A trainer reads captions literally, so `(smile:1.2)` trains the brackets and the number. Tags have brackets of their
own: `kaname (art)`, `:(`, `\(^o^)/`, `00 qan[t]`. What counts as a mark, whatever program it is of:

- brackets around whole pieces of the comma-separated caption: `(a)`, `[a, b]`, `{{a}}`, `(a, b:1.2)`
- `(a:1.2)` anywhere, where the number has a decimal point and is at most 3; `((a))`, `[[a]]` and `{a}` anywhere
- `1.2::a, b::`; `[a:b:0.5]` and `[a|b]`; `<lora:name:0.8>`
- `BREAK`, unless it is part of what a sign says: `COFFEE BREAK`, `"BREAK"`

No Danbooru tag begins with a bracket, so a caption of tags is never touched. Brackets around signs alone (`[+_+]`) are
an emoticon, and `{a|b}` is sd-scripts' wildcard. Escaped brackets are no marks, and stay as they are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from datakit.tags.names import KAOMOJI
from datakit.tags.syntax.schedules import find_schedules, schedule_words

_MAX_DEPTH: Final = 30
"""Brackets within brackets that are followed; what is deeper is no caption, and must not cost minutes."""
_MAX_PASSES: Final = 4
_MAX_WEIGHT: Final = 10.0
"""More is no weight but part of a name: `(reverse:1999)`."""
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}
_TOKEN: Final = re.compile(
    r"""(?=[\\\d.B<()\[\]{}-])(?:
    \\.
    | (?P<number>(?<![^\s,(\[{])-?(?:\d+\.?\d*|\.\d+))::(?=[^\s,:])
    | (?P<word>(?:(?<![A-Z][A-Z][ ])|(?<=BREAK[ ]))(?<![\w"'])BREAK(?![\w"']|[ ](?!BREAK)[A-Z][A-Z]))
    | (?P<network><\w+:[^<>,\n]+>)
    | (?P<bracket>[()\[\]{}])
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_SIGNS: Final = ("(", "[", "{", "::", "BREAK", "<")
"""Without which there is no mark."""
_CLEAR_SIGNS: Final = ("{", "::", "BREAK", "<")
_BRACKET: Final = re.compile(r"[(\[](?<![^\s,(\[\ufeff][(\[])(?<![^\s,(\[\ufeff] [(\[])|:\s*[+-]?[\d.]+\s*\)")
"""A bracket that begins a piece or stands beside another, or a weight: not those of `kaname (art)`."""
_WEIGHT: Final = re.compile(r"\s*:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$")
_EXACT_WEIGHT: Final = re.compile(r":[+-]?(?:[0-2]?\.\d+|3\.0+)$")
_BLANKS: Final = " \t\r"
_HOLE, _CUT = "\0", "\1"
"""What stands for a mark without words while a caption is stripped; the latter parts what it is between."""
_AROUND: Final = re.compile(r"(?<![\s,])[\s,]*+[\0\1][\s,\0\1]*+")
_REACH: Final = 32
"""Letters within which an emoticon, or a weight, is looked for."""

_Kind = Literal["group", "schedule", "number", "break", "network"]


class _Mark(msgspec.Struct, frozen=True):
    """Emphasis at text[start:end]; its words are text[inner_start:inner_end]."""

    kind: _Kind
    start: int
    end: int
    inner_start: int
    inner_end: int


def strip_emphasis(text: str) -> str:
    """The caption without marks and weights, with all its words; a caption of tags alone comes back as it is."""
    for _ in range(_MAX_PASSES):
        again = _strip(text, 0)
        if again == text:
            break
        text = again
    return text


def has_emphasis(text: str) -> list[str]:
    """The marked stretches of a caption, in order, the outermost only."""
    return [text[mark.start : mark.end] for mark in _marks(text)]


def _strip(text: str, depth: int) -> str:
    marks = [*_marks(text)] if depth <= _MAX_DEPTH else []
    if not marks:
        return text
    done = ""
    place = 0
    for mark in marks:
        done += text[place : mark.start]
        if place == mark.start and done[-1:].isalnum():
            done += " "
        place = mark.end
        if mark.kind == "break":
            done += _CUT
        elif mark.kind == "network":
            done += _HOLE
        elif mark.kind == "schedule":
            done += ", ".join(schedule_words(text[mark.start : mark.end]))
        else:
            done += _words(text, mark, depth)
    return _AROUND.sub(_made_good, done + text[place:])


def _words(text: str, mark: _Mark, depth: int) -> str:
    """What is left of one mark. A weight that the next one ends keeps the blank between them."""
    words = text[mark.inner_start : mark.inner_end]
    words = words.lstrip() if mark.end == mark.inner_end else words.strip()
    return _strip(words, depth + 1)


def _made_good(around: re.Match[str]) -> str:
    """What stands in the place of marks without words, and of the blanks and commas around them."""
    gap, text = around[0], around.string
    if not text[: around.start()].strip("\ufeff"):
        return ""
    if "\n" in gap:
        return "\n"
    if around.end() == len(text):
        return ""
    return ", " if "," in gap or _CUT in gap else " "


def _marks(text: str) -> Iterator[_Mark]:
    """The outermost marks in order."""
    if not _may_have_marks(text):
        return
    tokens = [match for match in _TOKEN.finditer(text) if match.lastgroup]
    pairs = _pairs(tokens)
    end = 0
    for token in tokens:
        if token.start() < end:
            continue
        mark = _mark(text, token, close=pairs.get(token.start()), last_end=end)
        if mark is not None:
            yield mark
            end = mark.end


def _may_have_marks(text: str) -> bool:
    """False for most captions, at little cost."""
    if not any(map(text.__contains__, _SIGNS)):
        return False
    return any(map(text.__contains__, _CLEAR_SIGNS)) or _BRACKET.search(text) is not None


def _pairs(tokens: list[re.Match[str]]) -> dict[int, int]:
    """Where each opening bracket is → where it is closed."""
    found: dict[int, int] = {}
    waiting: dict[str, deque[int]] = {sign: deque(maxlen=_MAX_DEPTH) for sign in "([{"}
    for token in tokens:
        sign = token["bracket"]
        if sign in waiting:
            waiting[sign].append(token.start())
        elif sign and waiting[_CLOSING[sign]]:
            start = waiting[_CLOSING[sign]].pop()
            found[start] = token.start()
            for others in waiting.values():  # what was opened within and not closed is a sign of its own
                while others and others[-1] > start:
                    others.pop()
    return found


def _mark(text: str, token: re.Match[str], *, close: int | None, last_end: int) -> _Mark | None:
    start, end = token.span()
    if token["word"]:
        return _Mark("break", start, end, end, end)
    if token["network"]:
        return _Mark("network", start, end, end, end)
    if token["number"]:
        return _numbered(text, start, end, last_end=last_end)
    if close is None:
        return None
    whole = _begins(text, start, last_end) and _ends(text, close + 1)
    doubled = text[start + 1] == text[start] and text[close - 1] == text[close]
    may_weigh = text[start] == "(" and text[close - 1].isdigit()
    if not (whole or doubled or may_weigh or text[start] == "{") or _in_emoticon(text, start):
        return None
    return _bracketed(text, start, close, whole=whole)


def _numbered(text: str, start: int, inner: int, *, last_end: int) -> _Mark | None:
    """`1.2::a, b::`, up to the next number; to the end where it is not closed, and begins a piece of the caption."""
    close = text.find("::", inner)
    if close < 0:
        close = len(text)
    later = next((match for match in _TOKEN.finditer(text, inner) if match["number"]), None)
    if later is not None and later.start() < close:
        return _Mark("number", start, later.start(), inner, later.start())
    if not _has_letters(text[inner:close]) or (close == len(text) and not _begins(text, start, last_end)):
        return None
    return _Mark("number", start, min(close + 2, len(text)), inner, close)


def _bracketed(text: str, start: int, close: int, *, whole: bool) -> _Mark | None:
    """The mark that a pair of brackets is; `whole` where it holds whole pieces of the caption."""
    inner = text[start + 1 : close]
    sign = text[start]
    weight = _weight(inner) if sign == "(" else None
    if not (_has_letters(inner) or weight):
        return None
    if sign == "{" and "|" in inner:
        return None
    if sign == "[" and whole and find_schedules(text[start : close + 1]) == [(0, close + 1 - start)]:
        return _Mark("schedule", start, close + 1, start + 1, close)
    doubled = inner[:1] == sign and inner[-1:] == text[close]
    exact = sign == "(" and _EXACT_WEIGHT.search(inner) and weight and not {",", "\n"} & {*inner}
    if not (whole or doubled or exact or sign == "{"):
        return None
    return _Mark("group", start, close + 1, start + 1, start + 1 + (weight.start() if weight else len(inner)))


def _weight(inner: str) -> re.Match[str] | None:
    """The number at the end of what stands in brackets, if it can be a weight and something stands before it."""
    found = _WEIGHT.search(inner, max(0, len(inner) - _REACH))
    return found if found and found.start() and abs(float(found[1])) <= _MAX_WEIGHT else None


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def _begins(text: str, place: int, last_end: int) -> bool:
    """Whether a piece of the caption begins here, or another mark ended just before."""
    while place > last_end and text[place - 1] in _BLANKS:
        place -= 1
    return place == last_end or text[place - 1] in ",\n\ufeff"


def _ends(text: str, place: int) -> bool:
    while place < len(text) and text[place] in _BLANKS:
        place += 1
    return place == len(text) or text[place] in ",\n([{"


def _in_emoticon(text: str, place: int) -> bool:
    """Whether the piece of the caption around a bracket is an emoticon from the list."""
    start, end = max(0, place - _REACH), place + _REACH
    before = re.split(r"[,\n]", text[start:place])[-1]
    after = re.split(r"[,\n]", text[place:end])[0]
    return (before + after).strip() in KAOMOJI
