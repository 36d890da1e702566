"""Where a prompt for AUTOMATIC1111 changes from step to step: `[from:to:when]`, `[to:when]`, `[a|b]`.

The grammar is that of AUTOMATIC1111/stable-diffusion-webui:modules/prompt_parser.py (`schedule_parser`). Brackets that
do not fit it are ordinary there; but one bare `|` or a backslash at a line's end, and no schedule is read at all.
With a bracket that does not fit, the grammar is ambiguous, and the program may miss a schedule that is found here.
"""

from __future__ import annotations

import re
from typing import Final

_SPECIAL: Final = re.compile(r"\\.?|[()\[\]:|]")
_WHEN: Final = re.compile(r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*")
_OPENING: Final = {")": "(", "]": "["}


class _Group:
    """A bracket that is open, and what stands in it so far, inner brackets left out."""

    __slots__ = ("colons", "is_sound", "last_colon", "opening", "pipes", "start")

    def __init__(self, opening: str, start: int) -> None:
        self.opening = opening
        self.start = start
        self.colons = 0
        self.pipes = 0
        self.last_colon = -1
        self.is_sound = True


class _Finder:
    """One way through the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.open: list[_Group] = []
        self.root = _Group("", -1)
        self.found: list[tuple[int, int]] = []
        self.is_readable = True

    def run(self) -> list[tuple[int, int]]:
        for match in _SPECIAL.finditer(self.text):
            self._take(match[0], match.start())
        for group in (self.root, *self.open):
            self.is_readable &= not group.pipes
        return self.found if self.is_readable else []

    def _take(self, token: str, place: int) -> None:
        top = self.open[-1] if self.open else self.root
        if token == "\\":
            self.is_readable = False
        elif token in "([":
            self.open.append(_Group(token, place))
        elif token in ")]":
            self._close(token, place)
        elif token == ":":
            top.colons += 1
            top.last_colon = place
        elif token == "|":
            top.pipes += 1

    def _close(self, token: str, place: int) -> None:
        if all(group.opening != _OPENING[token] for group in self.open):
            if self.open:
                self.open[-1].is_sound = False
            return
        is_crossed = False
        while self.open[-1].opening != _OPENING[token]:
            self.is_readable &= not self.open.pop().pipes
            is_crossed = True
        group = self.open.pop()
        group.is_sound &= not is_crossed
        outer = self.open[-1] if self.open else self.root
        if not group.is_sound or not self._fits(group, place):
            self.is_readable &= not group.pipes
            outer.is_sound = False

    def _fits(self, group: _Group, end: int) -> bool:
        """Whether the group, closed at `end`, is one of the grammar's; a schedule is taken note of."""
        if group.opening == "(":
            return group.pipes == 0 and group.colons <= 1
        if group.pipes == group.colons == 0:
            return True
        when = self.text[group.last_colon + 1 : end]
        if group.colons and (group.pipes or group.colons > 2 or not _WHEN.fullmatch(when)):
            return False
        self.found = [known for known in self.found if known[0] < group.start]
        self.found.append((group.start, end + 1))
        return True


def find_schedules(text: str) -> list[tuple[int, int]]:
    """Start and end of each, the outermost only, in order."""
    return _Finder(text).run() if "[" in text else []


def schedule_words(text: str) -> tuple[str, ...]:
    """What a schedule shows in turn, without its number: `[a:b:0.5]` and `[a|b]` → a, b."""
    parts = [""]
    depth = 0
    for match in re.finditer(r"\\.|[()\[\]]|[:|]|[^\\()\[\]:|]+|\\", text[1:-1], re.DOTALL):
        token = match[0]
        depth += (token in ("(", "[")) - (token in (")", "]"))
        if token in (":", "|") and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    if len(parts) > 1 and _WHEN.fullmatch(parts[-1]):
        parts.pop()
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
