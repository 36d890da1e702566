"""Single tags of a caption: which pieces are tags, and how they are respelled or taken out.

All else of the file stays byte for byte: other tags, blanks, line ends, bars, prose, a byte order mark.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Collection as Container
from typing import Final

from datakit.lint.captions import Caption
from datakit.lint.collection import Collection, once
from datakit.lint.model import Change, Write
from datakit.model.item import concept_of
from datakit.tags.captions import split_prose
from datakit.tags.emphasis import has_emphasis
from datakit.tags.names import to_canonical
from datakit.tags.vocabulary.known import Vocabulary

_BETWEEN: Final = re.compile(r"(\r\n|[,\r\n]|\|\|\|)")
"""As captions are taken apart; an end of line of two bytes is one, so that no half of it is left."""
_LINE_ENDS: Final = frozenset({"\r\n", "\r", "\n"})
_ENDS: Final = tuple([end] for end in _LINE_ENDS)
_BLANK_LINE: Final = re.compile(r"\n[^\S\n]*\n\s*\S")
_MAX_WORDS: Final = 4
_LEAST_OPENED: Final = 3
_OPENED_SHARE: Final = 1 / 2


def is_tag(piece: str, vocabulary: Vocabulary) -> bool:
    """Whether a piece is a tag rather than prose: it has at most four words, or is known."""
    return len(piece.split(None, _MAX_WORDS)) <= _MAX_WORDS or to_canonical(piece) in vocabulary


@once
def own_words(collection: Collection) -> frozenset[str]:
    """Canonical names that the folder chose itself: its trigger words.

    Where nobody said which they are, what half of a concept's captions, and three of them at least, begin with, unless
    the vocabulary knows it as a general tag.
    """
    triggers = collection.context.triggers
    if triggers is not None:
        return frozenset(word for words in triggers.values() for word in words)
    sizes: Counter[str] = Counter()
    first: Counter[tuple[str, str]] = Counter()
    for path, caption in collection.read_captions.items():
        concept = concept_of(path)
        sizes[concept] += 1
        first[concept, next(iter(caption.tags), "")] += 1
    category = collection.context.vocabulary.category
    return frozenset(
        name
        for (concept, name), number in first.items()
        if number >= max(_LEAST_OPENED, _OPENED_SHARE * sizes[concept]) and category(name) != "general"
    )


def lines_of(caption: Caption) -> list[int]:
    """The line that each piece stands in; all in one where no line has two, for then lines are what parts tags."""
    found: list[int] = []
    line = 0
    if "\n" not in caption.listed and "\r" not in caption.listed:
        return [0] * len(caption.pieces)
    texts = _BETWEEN.split(caption.listed)
    for place, text in enumerate(texts):
        if place % 2:
            line += text in _LINE_ENDS
        elif text.strip():
            found.append(line)
    return found if len(set(found)) < len(found) else [0] * len(found)


def can_be_written(caption: Caption) -> bool:
    """Whether its pieces may change: it is UTF-8, and no blank line is among the tags, behind which a tag that gets a
    blank would be read as prose."""
    return caption.encoding in ("utf-8", "utf-8-bom") and not (
        "\n" in caption.listed and _BLANK_LINE.search(caption.listed)
    )


def is_same_tag(piece: str, new: str) -> bool:
    """Whether another spelling of a piece is the same single tag, and no emphasis that it was not before."""
    is_whole = bool(new) and new == new.strip() and not _BETWEEN.search(new)
    return is_whole and to_canonical(new) == to_canonical(piece) and bool(has_emphasis(piece) or not has_emphasis(new))


def respelled(caption: Caption, respell: Callable[[str], str]) -> Sequence[Change]:
    """The caption with each piece as `respell` writes it; it gets a piece without the blanks around it."""
    texts = _BETWEEN.split(caption.listed)
    for place in range(0, len(texts), 2):
        if (piece := texts[place].strip()) and (new := respell(piece)) != piece:
            texts[place] = texts[place].replace(piece, new, 1)
    return written(caption, "".join(texts))


def without(caption: Caption, numbers: Container[int]) -> Sequence[Change]:
    """The caption without some of its pieces, by their places in `caption.pieces`; each goes with one comma or line
    end beside it, and bars stay."""
    texts = _BETWEEN.split(caption.listed)
    places = [place for place in range(0, len(texts), 2) if texts[place].strip()]
    for number in sorted(numbers, reverse=True):
        _cut(texts, places[number])
    return written(caption, "".join(texts))


def written(caption: Caption, listed: str) -> Sequence[Change]:
    """The caption with other tags; no change where they are the same, or where a blank line would come to be before
    what is left, which would be read as prose from then on."""
    if listed == caption.listed:
        return []
    text = listed + caption.text[len(caption.listed) :]
    if "\n" in listed and split_prose(text)[1] != split_prose(caption.text)[1]:
        return []
    mark = codecs.BOM_UTF8 if caption.encoding == "utf-8-bom" else b""
    return [Write(caption.path, mark + text.encode())]


def _cut(texts: list[str], place: int) -> None:
    """Take out one piece; pieces stand at even places, what parts them at odd ones."""
    piece = texts[place]
    lead, trail = piece[: len(piece) - len(piece.lstrip())], piece[len(piece.rstrip()) :]
    before = texts[place - 1] if place else ""
    behind = texts[place + 1] if place + 1 < len(texts) else ""
    if behind == ",":
        del texts[place : place + 2]
        texts[place] = lead + texts[place].lstrip()
        if (before in _LINE_ENDS or not place) and not texts[place].strip() and texts[place + 1 : place + 2] in _ENDS:
            del texts[place : place + 2]  # the line had this piece alone
    elif before == ",":
        texts[place - 2 : place + 1] = [texts[place - 2].rstrip() + trail]
    elif behind in _LINE_ENDS and (before in _LINE_ENDS or not place):
        del texts[place : place + 2]
    elif before in _LINE_ENDS and not behind:
        del texts[place - 1 : place + 1]
    else:
        texts[place] = lead or trail
