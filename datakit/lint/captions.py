"""One caption file, taken apart once for all rules."""

from __future__ import annotations

import codecs
from typing import Final, Literal, NamedTuple

from datakit.model.item import is_image
from datakit.tags.captions import BAR, is_prose, may_be_prose, split_prose
from datakit.tags.names import to_canonical

Encoding = Literal["utf-8", "utf-8-bom", "utf-16", "unknown"]

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Caption(NamedTuple):
    """What a caption file says."""

    path: str
    """Relative to the collection."""
    text: str
    """Decoded, without a byte order mark; what is no text in the encoding is U+FFFD."""
    encoding: Encoding
    """`utf-8-bom` and `utf-16` say so by their first bytes; `unknown` is anything that is not UTF-8."""
    listed: str
    """The tags as they stand there; '' where all is prose."""
    prose: str
    """The sentences; '' where there are none."""
    pieces: tuple[str, ...]
    """What stands between the commas, line ends and bars of `listed`, blanks around it and empty pieces left out."""
    tags: tuple[str, ...]
    """The canonical name of each piece; '' of one that has none."""

    @property
    def is_text(self) -> bool:
        """Whether all bytes are text in the encoding."""
        return self.encoding != "unknown"


class KnownPieces(dict[str, tuple[str, str, bool]]):
    """What stands between two commas → (the piece without blanks around it, its tag, whether it may be prose).

    Ten thousand captions are some thousand pieces, so captions that are read with the same one share them.
    """

    def __missing__(self, between: str) -> tuple[str, str, bool]:
        piece = between.strip()
        is_bare = piece == between
        known = self[between] = (piece, to_canonical(piece), may_be_prose(piece)) if is_bare else self[piece]
        return known


def read_caption(path: str, data: bytes, known: KnownPieces | None = None) -> Caption:
    """Take a caption file apart; any bytes will do.

    Args:
        known: pieces of captions that were read before; gets those of this one.
    """
    text, encoding = _decoded(data)
    listed, prose = split_prose(text)
    known = KnownPieces() if known is None else known
    found = [known[between] for between in _split(listed)]
    pieces, tags, are_prose = zip(*found, strict=True)
    if True in are_prose and is_prose(listed):
        return Caption(path, text, encoding, "", text.strip(), (), ())
    if "" in pieces:
        pieces, tags = tuple(filter(None, pieces)), tuple(tag for piece, tag, _ in found if piece)
    return Caption(path, text, encoding, listed, prose, pieces, tags)


def lists_images(text: str) -> bool:
    """Whether a text is a list of images' paths, one a line, and no caption; lines that begin with `#` are remarks."""
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    return bool(lines) and all(map(is_image, lines))


def _split(listed: str) -> list[str]:
    """What stands between commas, line ends and bars."""
    if "\n" in listed or "\r" in listed or BAR in listed:
        listed = listed.replace("\r", ",").replace("\n", ",").replace(BAR, ",")
    return listed.split(",")


def _decoded(data: bytes) -> tuple[str, Encoding]:
    if data.startswith(_UTF16):
        try:
            return data.decode("utf-16"), "utf-16"
        except UnicodeDecodeError:
            return data.decode("utf-16", "replace"), "unknown"
    has_mark = data.startswith(codecs.BOM_UTF8)
    body = data[len(codecs.BOM_UTF8) :] if has_mark else data
    try:
        return body.decode(), "utf-8-bom" if has_mark else "utf-8"
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace"), "unknown"
