"""What an image is, without changing it: format, size, transparency, orientation, profile."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import msgspec
from PIL import Image, ImageFile

from datakit.images.convert import alpha_of, exif_orientation
from datakit.images.decode import (
    UnreadableImage,
    decode_pixels,
    format_of,
    open_lazily,
    unreadable_if_damaged,
)
from datakit.images.profiles import Verdict, judge_profile

_PNG_BIT_DEPTH_AT: Final = 24
"""Offset of the bit depth in a PNG file: signature, chunk head, width, height."""
_PNG_EXIF: Final = (b"eXIf", b"Raw profile type exif")
"""Where PNG files have EXIF; the second is ImageMagick's."""
_BITS_PER_SAMPLE: Final = 258
_TURNED_MODES: Final = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""


class Header(msgspec.Struct, frozen=True):
    """What the first bytes of an image say: format as decoded, (width, height) as stored."""

    format: str
    size_px: tuple[int, int]


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an image is; when `unreadable` is set, the other fields hold what could be learnt before."""

    unreadable: str = ""
    """Why it cannot be decoded; '' when it can."""
    format: str = ""
    """As decoded (`png`, `jpeg`, `webp`, …), not as named; '' when it is no known image."""
    size_px: tuple[int, int] = (0, 0)
    """(width, height) as stored."""
    oriented_size_px: tuple[int, int] = (0, 0)
    """(width, height) as people see it, after the EXIF rotation."""
    mode: str = ""
    """Pillow's name of the pixel layout: RGB, RGBA, L, LA, P, CMYK, I;16, …"""
    bits: int = 8
    """Per channel, as stored."""
    has_alpha: bool = False
    """Whether the pixel layout can carry transparency."""
    transparent: bool = False
    """Whether any pixel is less than opaque."""
    orientation: int = 1
    """EXIF orientation, 1 (upright) to 8."""
    icc: Verdict = "none"
    """The embedded colour profile: 'none', 'srgb', 'other', or 'broken' (it cannot be used and is ignored)."""
    animated: bool = False
    """Whether it has more than one frame."""


def header(source: bytes | Path) -> Header:
    """Format and size, from the header alone: no pixel is decoded, damage further down is not seen.

    Raises:
        UnreadableImage: empty, no image, or over the pixel limit.
        OSError: the file cannot be opened.
    """
    if isinstance(source, bytes):
        image = open_lazily(io.BytesIO(source))
        return Header(format_of(image), _stored_size(image))
    with source.open("rb") as file:
        image = open_lazily(file)
        return Header(format_of(image), _stored_size(image))


def probe(data: bytes, *, pixels: bool = True) -> ImageFacts:
    """Everything about an image; never raises on bad bytes, `unreadable` says it.

    With `pixels` off nothing is decoded: far cheaper, but damage goes unseen and `transparent` is always False.
    """
    return examine(data, pixels=pixels)[0]


def examine(data: bytes, *, pixels: bool = True) -> tuple[ImageFacts, Image.Image | None]:
    """As `probe`, with the image; None where it cannot be decoded. With `pixels` off it is not decoded yet."""
    facts = ImageFacts()
    try:
        image = open_lazily(io.BytesIO(data))
        with unreadable_if_damaged(format_of(image)):
            facts = _from_header(image, data)
        if not pixels:
            return facts, image
        decode_pixels(image)
        with unreadable_if_damaged(format_of(image)):
            return msgspec.structs.replace(facts, transparent=is_transparent(image)), image
    except UnreadableImage as error:
        return msgspec.structs.replace(facts, unreadable=error.reason), None


def is_transparent(image: Image.Image) -> bool:
    """Whether any pixel of a decoded image is less than opaque."""
    alpha = alpha_of(image)
    return alpha is not None and alpha.getextrema()[0] != 255


def _from_header(image: ImageFile.ImageFile, data: bytes) -> ImageFacts:
    size_px = _stored_size(image)
    orientation = _orientation(image, data)
    turned = orientation in _TURNED_MODES
    return ImageFacts(
        format=format_of(image),
        size_px=size_px,
        oriented_size_px=(size_px[1], size_px[0]) if turned else size_px,
        mode=image.mode,
        bits=_bits(image, data),
        has_alpha=image.has_transparency_data,
        orientation=orientation,
        icc=judge_profile(image.info.get("icc_profile"), image.mode),
        animated=image.format != "MPO" and bool(getattr(image, "is_animated", False)),
    )


def _stored_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Pillow already gives the turned size of a TIFF file."""
    width, height = image.size
    if image.format == "TIFF" and exif_orientation(image) in _TURNED_MODES:
        return height, width
    return width, height


def _orientation(image: ImageFile.ImageFile, data: bytes) -> int:
    if image.format == "PNG" and any(name in data for name in _PNG_EXIF):
        decode_pixels(image)  # the chunk may stand behind the pixels
    return exif_orientation(image)


def _bits(image: ImageFile.ImageFile, data: bytes) -> int:
    if image.format == "PNG":
        return data[_PNG_BIT_DEPTH_AT]
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        return int(max(tags.get(_BITS_PER_SAMPLE, (8,))))
    return 16 if image.mode.startswith("I;16") else 8
