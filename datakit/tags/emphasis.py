r"""Emphasis that got into captions from a prompt, told apart from tags with brackets.

A trainer reads captions literally, so `(smile:1.2)` trains the brackets and the number. Tags have brackets of their
own: `kaname (art)`, `:(`, `\(^o^)/`, `00 qan[t]`. What counts as a mark, whatever program it is of:

- brackets around whole pieces of the comma-separated caption: `(a)`, `[a, b]`, `{{a}}`, `(a, b:1.2)`
- `(a:1.2)` anywhere, where the number has a decimal point and is at most 3; `((a))`, `[[a]]` and `{a}` anywhere
- `1.2::a, b::`; `BREAK`; `[a:b:0.5]` and `[a|b]`; `<lora:name:0.8>`

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
    | (?P<word>(?<!\w)BREAK(?!\w))
    | (?P<network><\w+:[^<>,\n]+>)
    | (?P<bracket>[()\[\]{}])
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_SIGN: Final = re.compile(r"[(\[{]|::|BREAK|<\w+:")
"""Without which there is no mark."""
_WEIGHT: Final = re.compile(r"\s*:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*$")
_EXACT_WEIGHT: Final = re.compile(r":[+-]?(?:[0-2]?\.\d+|3\.0+)$")
_BLANKS: Final = " \t\r"
_BLANKS_AND_COMMAS: Final = " \t\r\n,"
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
        done = _joined(done, text[place : mark.start])
        if place == mark.start and done[-1:].isalnum():
            done += " "
        place = mark.end
        if mark.kind == "break":
            done = done.rstrip(_BLANKS_AND_COMMAS) + "\0,"
        elif mark.kind == "network":
            done += "\0"
        elif mark.kind == "schedule":
            done = _joined(done, ", ".join(schedule_words(text[mark.start : mark.end])))
        else:
            done = _joined(done, _words(text, mark, depth))
    return _tidied(_joined(done, text[place:]))


def _words(text: str, mark: _Mark, depth: int) -> str:
    """What is left of one mark. A weight that the next one ends keeps the blank between them."""
    words = text[mark.inner_start : mark.inner_end]
    words = words.lstrip() if mark.end == mark.inner_end else words.strip()
    return _strip(words, depth + 1)


def _tidied(text: str) -> str:
    """Nothing follows what was taken out at the end, not even the comma before it."""
    if not text.endswith(("\0", "\0,")):
        return text
    return text.removesuffix(",").removesuffix("\0").rstrip(" ,")


def _joined(done: str, more: str) -> str:
    """Two stretches with what was taken out between them (NUL, and a comma for a break) made good."""
    if not more:
        return done
    if done.endswith("\0,"):
        before, after = done[:-2], more.lstrip(_BLANKS_AND_COMMAS)
        return f"{before}, {after}" if before and after else before + after
    if done.endswith("\0"):
        before = done[:-1].rstrip(" ")
        after = more.lstrip(" ")
        if after.startswith(",") and (not before or before.endswith(",")):
            after = after[1:].lstrip(" ")
        blank = " " if before and after and after[0] not in ",\n" and before[-1] != "\n" else ""
        return (before if after.strip() else before.rstrip(" ,")) + blank + after
    return done + more


def _marks(text: str) -> Iterator[_Mark]:
    """The outermost marks in order."""
    if not _SIGN.search(text):
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
        return _numbered(text, start, end)
    if close is None:
        return None
    whole = _begins(text, start, last_end) and _ends(text, close + 1)
    doubled = text[start + 1] == text[start] and text[close - 1] == text[close]
    may_weigh = text[start] == "(" and text[close - 1].isdigit()
    if not (whole or doubled or may_weigh or text[start] == "{") or _in_emoticon(text, start):
        return None
    return _bracketed(text, start, close, whole=whole)


def _numbered(text: str, start: int, inner: int) -> _Mark | None:
    """`1.2::a, b::`, up to the next number or to the end where it is not closed."""
    close = text.find("::", inner)
    close = len(text) if close < 0 else close
    later = next((match for match in _TOKEN.finditer(text, inner) if match["number"]), None)
    if later is not None and later.start() < close:
        return _Mark("number", start, later.start(), inner, later.start())
    if not _has_letters(text[inner:close]):
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
