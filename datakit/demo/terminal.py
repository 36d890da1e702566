"""All that the demonstration says, in colour only where a terminal reads it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

_RESET = "\x1b[0m"


def say(text: str = "", *, style: str = "") -> None:
    """Write a line; `style` is the number of an ANSI attribute (1 bold, 2 faint, 31 red, 36 cyan)."""
    if style and _coloured():
        text = f"\x1b[{style}m{text}{_RESET}"
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def heading(text: str) -> None:
    """Announce a part of the story."""
    say()
    say(text, style="36")


def command_line(words: Sequence[str]) -> None:
    """Show a command as a person would type it."""
    say()
    say(f"$ {shlex.join(words)}", style="1")


def _coloured() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
