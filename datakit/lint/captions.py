"""One caption file, taken apart once for all rules."""

from __future__ import annotations

import codecs
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from datakit.tags.captions import BAR, looks_like_prose, split_prose
from datakit.tags.names import to_canonical

Encoding = Literal["utf-8", "utf-8-bom", "utf-16", "unknown"]

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CACHED_PIECES: Final = 1 << 18


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


def read_caption(path: str, data: bytes) -> Caption:
    """Take a caption file apart; any bytes will do."""
    text, encoding = _decoded(data)
    listed, prose = split_prose(text)
    if looks_like_prose(listed):
        listed, prose = "", text.strip()
    pieces = tuple(filter(None, map(str.strip, _split(listed))))
    return Caption(path, text, encoding, listed, prose, pieces, tuple(map(_name, pieces)))


def _split(listed: str) -> list[str]:
    """What stands between commas, line ends and bars."""
    if "\n" in listed or "\r" in listed or BAR in listed:
        listed = listed.replace("\r", ",").replace("\n", ",").replace(BAR, ",")
    return listed.split(",")


@lru_cache(maxsize=_CACHED_PIECES)
def _name(piece: str) -> str:
    return to_canonical(piece)


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
