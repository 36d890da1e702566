"""A caption of tags and prose: the tags, one blank line, the prose. Pure.

Without a blank line a caption is tags alone. Prose alone stands behind two line ends. Prose has a space in it, or ends
as a sentence does: tags with underscores, one a line, are tags also behind a blank line.
"""

from __future__ import annotations

import re
from typing import Final

_BLANK_LINE: Final = re.compile(r"\r?\n[^\S\n]*\n")
_IS_PROSE: Final = re.compile(r"\S[^\S\r\n]+\S|[.!?\u3002\uff01\uff1f]\Z")


def split_prose(text: str) -> tuple[str, str]:
    """A caption's tags and its prose, each as it stands there; '' where it has none."""
    if "\n" not in text:
        return text, ""
    found = _BLANK_LINE.search(text)
    if found is None:
        return text, ""
    prose = text[found.end() :].strip()
    return (text[: found.start()], prose) if _IS_PROSE.search(prose) else (text, "")


def join_prose(tags_text: str, prose: str) -> str:
    """The caption of some tags and some prose, as `split_prose` reads it."""
    prose = prose.strip()
    return f"{_BLANK_LINE.sub(chr(10), tags_text).strip()}\n\n{prose}" if prose else tags_text


def merge_prose(base: str, ours: str, theirs: str) -> tuple[str, bool]:
    """(What stands after both sides' changes, whether that is clear); blanks aside. Ours stands where it is not."""
    before, mine, new = (" ".join(text.split()) for text in (base, ours, theirs))
    if mine == new or new == before:
        return ours, True
    return (theirs, True) if mine == before else (ours, False)
