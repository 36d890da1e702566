"""Metadata taken out of image files whose pixels stay as they were encoded, byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from datakit.images.decode import UnreadableImage

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT: Final = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT"}
)
"""What decides how the pixels look (PNG, third edition, section 11)."""
_SOS, _EOI, _COM, _APP0, _APP15, _JFIF_APP, _ICC_APP, _ADOBE_APP = 0xDA, 0xD9, 0xFE, 0xE0, 0xEF, 0xE0, 0xE2, 0xEE
_ALONE: Final = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
"""JPEG markers without a length (ITU T.81, table B.1)."""
_WEBP_KEPT: Final = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"})
"""The last two also of a still image: as an animation of one frame."""
_WEBP_EXIF_XMP: Final = 0x08 | 0x04
"""Bits of VP8X that announce EXIF and XMP (WebP container specification)."""


def without_metadata(data: bytes, file_format: str) -> bytes:
    """The file without EXIF, XMP, comments, thumbnails, prompts and what hangs behind its end.

    Colour profiles stay, as does all else that decides how the pixels look. A file of another format than PNG, JPEG or
    WebP comes back as it is.

    Raises:
        UnreadableImage: the file is not built as its format says.
    """
    function = _FORMATS.get(file_format)
    return data if function is None else function(data)


def _png(data: bytes) -> bytes:
    parts = [_PNG_SIGNATURE]
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise UnreadableImage("truncated or damaged png: a chunk is longer than the file")
        if kind in _PNG_KEPT:
            parts.append(data[at:end])
        at = end
        if kind == b"IEND":
            break
    return b"".join(parts)


def _jpeg(data: bytes) -> bytes:
    parts = [data[:2]]
    for marker, segment in _segments(data):
        is_app = _APP0 <= marker <= _APP15
        if marker != _COM and (not is_app or _shapes_colour(marker, segment[4:])):
            parts.append(segment)
    return b"".join(parts)


def _shapes_colour(marker: int, content: bytes) -> bool:
    """Whether an APPn segment is of JFIF, a colour profile, or Adobe's, which tells YCCK and CMYK apart."""
    starts = {_JFIF_APP: b"JFIF\0", _ICC_APP: b"ICC_PROFILE\0", _ADOBE_APP: b"Adobe"}
    return marker in starts and content.startswith(starts[marker])


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, its bytes, with the scan's behind it) up to the end of the image."""
    at = 2
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            raise UnreadableImage("truncated or damaged jpeg: a marker is missing")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        end = at + 2
        if marker not in _ALONE and marker != _EOI:
            if at + 4 > len(data):
                raise UnreadableImage("truncated or damaged jpeg: a segment ends too early")
            end += int(struct.unpack_from(">H", data, at + 2)[0])
        if marker == _SOS:
            end = _end_of_scan(data, end)
        yield marker, data[at:end]
        if marker == _EOI:
            return
        at = end


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the next marker begins that is no restart and no stuffed byte; the file's end where none does."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        if data[at + 1] not in (0x00, 0xFF) and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 1 if data[at + 1] == 0xFF else 2


def _webp(data: bytes) -> bytes:
    body = []
    at, stop = 12, min(len(data), 8 + int(struct.unpack_from("<I", data, 4)[0]))
    while at + 8 <= stop:
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length
        if end > stop:
            raise UnreadableImage("truncated or damaged webp: a chunk is longer than the file")
        content = data[at + 8 : end]
        if kind == b"VP8X" and content:
            content = bytes([content[0] & ~_WEBP_EXIF_XMP]) + content[1:]
        if kind in _WEBP_KEPT:
            body.append(struct.pack("<4sI", kind, length) + content + b"\0" * (length & 1))
        at = end + (length & 1)
    whole = b"WEBP" + b"".join(body)
    return struct.pack("<4sI", b"RIFF", len(whole)) + whole


_FORMATS: Final[dict[str, Callable[[bytes], bytes]]] = {"png": _png, "jpeg": _jpeg, "webp": _webp}
