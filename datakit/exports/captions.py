"""Captions as trainers read them: one line, nothing escaped, with or without the separator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from datakit.tags.captions import BAR, SEPARATOR, split_prose
from datakit.tags.names import unescaped

_MARK: Final = "\ufeff"
"""Of the byte order, which editors put at the beginning, and joining two files puts in between."""


def one_line(text: str) -> str:
    """A caption on one line: tags joined by `, `, none empty or escaped, then its prose.

    Trainers read the first line only, or take each line for a caption of its own.
    """
    line = _listed(text)
    while (again := _listed(line)) != line:  # what was prose below tags may be read as tags without them
        line = again
    return line


def _listed(text: str) -> str:
    listed, prose = split_prose(text.replace(_MARK, ""))
    pieces = (piece for line in listed.splitlines() for piece in line.split(","))
    return joined([*map(_bare, pieces), " ".join(prose.split())])


def _bare(piece: str) -> str:
    """A piece without escapes, however often somebody escaped it."""
    while (again := unescaped(piece)) != piece:
        piece = again
    return piece


def joined(pieces: Iterable[str]) -> str:
    """Pieces with `, ` between them; blanks around them and empty ones go."""
    return SEPARATOR.join(filter(None, (piece.strip() for piece in pieces)))


def without_separator(caption: str, separator: str = BAR) -> str:
    """The caption for a trainer that would leave the separator in."""
    if not separator or separator not in caption:
        return caption
    pieces = (piece.strip() for part in caption.split(separator) for piece in part.split(","))
    return joined(pieces)


def fixed_tags(caption: str, separator: str = BAR) -> int:
    """How many tags stand before the first separator; 0 where there is none."""
    head, found, _ = caption.partition(separator) if separator else (caption, "", "")
    return len([piece for piece in head.split(",") if piece.strip()]) if found else 0
