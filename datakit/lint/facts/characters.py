"""Characters of captions that nobody sees, and how a caption is written back without them."""

from __future__ import annotations

import re
from typing import Final

from datakit.lint.captions import Caption
from datakit.lint.collection import Collection, once
from datakit.lint.model import Write

CONTROLS: Final = "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f"
"""Control characters but for tab and the line ends, as part of a character class."""
INVISIBLES: Final = (
    "\\u00ad\\u061c\\u115f\\u1160\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0"
    "\\U000e0000-\\U000e007f"
)
"""Characters without width, and marks of writing direction, as part of a character class."""
_VISIBLE: Final = re.compile(f"[^\\s{CONTROLS}{INVISIBLES}]")


def is_blank(text: str) -> bool:
    """Whether there is nothing to see in a text."""
    return _VISIBLE.search(text) is None


@once
def written_captions(collection: Collection) -> tuple[Caption, ...]:
    """The captions in UTF-8 in which there is something to see."""
    return tuple(
        caption
        for caption in collection.read_captions.values()
        if caption.encoding in ("utf-8", "utf-8-bom") and not is_blank(caption.text)
    )


def rewritten(path: str, text: str) -> list[Write]:
    """The change that writes a caption as UTF-8, its line ends as they are."""
    return [Write(path, text.encode("utf-8", "replace"))]


def code_points(found: str) -> list[str]:
    """`U+200B` of each character, each once, in order."""
    return [f"U+{ord(one):04X}" for one in dict.fromkeys(found)]
