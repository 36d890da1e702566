"""Perceptual hashes: 64 bits that stay nearly the same when an image is resized, recompressed or brightened.

pHash and dHash with the bits and the bit order of imagehash.phash and imagehash.dhash, each also of the mirrored image.
An image is made small first, on white where it is transparent, and a JPEG is decoded at an eighth of its size: a bit or
two may differ from the hash of the full image, and nothing of the full image is filtered with the costly kernel.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from datakit.images.convert import exif_orientation, to_srgb_rgb
from datakit.images.decode import decode_pixels, format_of, open_lazily, unreadable_if_damaged

_WHITE: Final = (255, 255, 255)
_SIDE: Final = 8
_PHASH_PX: Final = 32
_SMALL_PX: Final = 96
"""Sides that an image keeps at least when it is made small, or decoded small: three times those of the pHash."""
_NOISE_DIGITS: Final = 6
"""Coefficients are rounded to this: those of a flat image are zero, whatever the order of additions."""
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation (Exif 2.32, tag 0x0112) → what undoes it."""
_SWAPPED: Final = frozenset({5, 6, 7, 8})
_EIGHT_BITS: Final = frozenset({"L", "RGB"})

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]


class Hashes(msgspec.Struct, frozen=True, kw_only=True):
    """What an image looks like; the first bit is the highest."""

    phash: int
    dhash: int
    phash_mirrored: int
    dhash_mirrored: int
    detail: int
    """Standard deviation of the brightness, 0 (one colour) to 127: where it is small, the hashes tell noise."""
    cells: bytes = b""
    """The image at 9 x 8 px in grey, row by row, by which near hashes are checked; empty where nobody kept it."""


_NUMBERS: Final = ("phash", "dhash", "phash_mirrored", "dhash_mirrored", "detail")


class _Small(NamedTuple):
    """An image made small, and what is undone only when it is smaller still."""

    grey: Image.Image
    """Mode L."""
    box: tuple[float, float, float, float]
    """What of it the image covers: the last row and column may reach beyond."""
    orientation: int


def hash_file(data: bytes) -> Hashes:
    """Hash an image file; a JPEG is decoded at the size that is needed.

    Raises:
        UnreadableImage: as `decode.open_bounded`.
    """
    image = open_lazily(io.BytesIO(data))
    if image.format in ("JPEG", "MPO"):
        with unreadable_if_damaged(format_of(image)):
            image.draft("L", (_SMALL_PX, _SMALL_PX))
    decode_pixels(image)
    return hashes_of(image)


def hashes_of(image: Image.Image) -> Hashes:
    """Hash a decoded image, upright and on white.

    Raises:
        UnreadableImage: it was not decoded yet, and cannot be.
    """
    small = _make_small(image)
    square = np.asarray(_shrink(small, (_PHASH_PX, _PHASH_PX)), np.float64)
    rows = np.asarray(_shrink(small, (_SIDE + 1, _SIDE)))
    low = _low_frequencies(square)
    mirrored = low * _mirror_signs()
    return Hashes(
        phash=_pack(low > np.median(low)),
        dhash=_pack(rows[:, 1:] > rows[:, :-1]),
        phash_mirrored=_pack(mirrored > np.median(mirrored)),
        dhash_mirrored=_pack((rows[:, :-1] > rows[:, 1:])[:, ::-1]),
        detail=round(float(square.std())),
        cells=rows.tobytes(),
    )


def to_facts(hashes: Hashes) -> dict[str, Any]:
    """As looks hold them: 16 hex digits each, and the cells as they are."""
    return {name: f"{getattr(hashes, name):016x}" for name in _NUMBERS} | {"cells": hashes.cells}


def from_facts(facts: Mapping[str, Any]) -> Hashes | None:
    """What `to_facts` made; None of an image that could not be read."""
    try:
        return Hashes(**{name: int(facts[name], 16) for name in _NUMBERS}, cells=facts["cells"])
    except (KeyError, TypeError, ValueError):
        return None


def _make_small(image: Image.Image) -> _Small:
    """Grey, and at most a little larger than `_SMALL_PX` where the image allows: by whole factors, which is cheap."""
    plain, orientation = _plain(image)
    width, height = plain.size
    factors = max(1, width // _SMALL_PX), max(1, height // _SMALL_PX)
    grey = plain.convert("L")
    return _Small(
        grey if factors == (1, 1) else grey.reduce(factors),
        (0.0, 0.0, width / factors[0], height / factors[1]),
        orientation,
    )


def _plain(image: Image.Image) -> tuple[Image.Image, int]:
    """The image without transparency in mode L or RGB, and its orientation, where that is still to be undone."""
    with unreadable_if_damaged(image.format or "image"):
        image.load()
    orientation = 1 if image.format == "TIFF" else exif_orientation(image)
    if image.mode in _EIGHT_BITS and not image.has_transparency_data:
        return image, orientation
    if image.mode in ("RGBA", "LA"):
        return _on_white(image), orientation
    if image.mode == "P":
        return (_on_white(image.convert("RGBA")) if image.has_transparency_data else image.convert("RGB")), orientation
    return to_srgb_rgb(image, background=_WHITE), 1


def _on_white(image: Image.Image) -> Image.Image:
    """The grey of an image with an alpha channel, on white."""
    grey = image.convert("L")
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return grey
    opaque = Image.new("L", image.size, 255)
    opaque.paste(grey, mask=alpha)
    return opaque


def _shrink(small: _Small, size: tuple[int, int]) -> Image.Image:
    """At this size and upright; the kernel is the same in both directions, so that turning can come last."""
    turn = _TURNS.get(small.orientation)
    wanted = size[::-1] if small.orientation in _SWAPPED else size
    found = small.grey.resize(wanted, Image.Resampling.LANCZOS, box=small.box)
    return found if turn is None else found.transpose(turn)


@cache
def _cosines() -> Floats:
    """Rows 0 to 7 of the 32-point DCT-II, not normalised: a common factor changes no bit."""
    found: Floats = np.cos(np.pi / (2 * _PHASH_PX) * np.outer(np.arange(_SIDE), 2 * np.arange(_PHASH_PX) + 1))
    return found


@cache
def _mirror_signs() -> Floats:
    """What mirroring does to the coefficients: those of odd horizontal frequency change their sign."""
    return np.where(np.arange(_SIDE) % 2, -1.0, 1.0)


def _low_frequencies(square: Floats) -> Floats:
    """The 8 x 8 lowest coefficients [vertical, horizontal]."""
    found: Floats = np.round(_cosines() @ square @ _cosines().T, _NOISE_DIGITS)
    return found


def _pack(bits: Bits) -> int:
    return int.from_bytes(np.packbits(bits.reshape(-1)).tobytes(), "big")
