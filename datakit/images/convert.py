"""From any image to the one that trainers expect: upright, opaque, 8-bit sRGB, with reproducible bytes."""

from __future__ import annotations

import io
from functools import cache
from typing import Final, Literal, cast

from PIL import ExifTags, Image

from datakit.images.colour import Colour
from datakit.images.decode import unreadable_if_damaged
from datakit.images.profiles import judge_profile, to_srgb

Extension = Literal["png", "webp", "jpeg"]
"""Formats that images are written in; all but JPEG lossless."""

_PNG_COMPRESSION: Final = 1
"""zlib level: 6 takes five times as long for files that are hardly smaller."""
_LONGEST_SIDE_PX: Final = {"png": 0x7FFFFFFF, "webp": 16383, "jpeg": 65500}
"""What the formats can hold: PNG, section 11.2.1; WebP, VP8L header; JPEG, as libjpeg has it."""
_DEEP_GREY: Final = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation (Exif 2.32, tag 0x0112) → what undoes it."""


def to_srgb_rgb(image: Image.Image, *, background: Colour) -> Image.Image:
    """A new RGB image without metadata: upright, on `background` where it was transparent, colours in sRGB.

    Colour under full transparency never shows. 16-bit grey is scaled; 32-bit integer and float images are taken as
    0..65535 and 0..1 or 0..255 where their values fit, and stretched to their own extremes otherwise. An ICC profile
    that cannot be used is ignored (`measure.ImageFacts.icc` says so).

    Raises:
        UnreadableImage: the image was not decoded yet, and cannot be.
    """
    colours, alpha = colours_and_alpha(image)
    return turned(flattened(colours, alpha, background=background), stored_orientation(image))


def colours_and_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """As stored, not turned: colours in sRGB, mode RGB, without metadata; and transparency, mode L.

    The second is None where every pixel is opaque. Deep modes are brought to 8 bits as `to_srgb_rgb` says.

    Raises:
        UnreadableImage: the image was not decoded yet, and cannot be.
    """
    with unreadable_if_damaged(image.format or "image"):
        image.load()
    alpha, colours = alpha_of(image), _in_srgb(image)
    colours.info = {}
    return colours, alpha if alpha is not None and alpha.getextrema()[0] != 255 else None


def flattened(colours: Image.Image, alpha: Image.Image | None, *, background: Colour) -> Image.Image:
    """The colours on a background, mode RGB; those under full transparency never show."""
    if alpha is None:
        return colours
    opaque = Image.new("RGB", colours.size, background)
    opaque.paste(colours, mask=alpha)
    return opaque


def stored_orientation(image: Image.Image) -> int:
    """The EXIF orientation of the pixels as they are decoded: Pillow turns TIFF files upright itself."""
    return 1 if image.format == "TIFF" else exif_orientation(image)


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """An image of this EXIF orientation upright."""
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def encode(image: Image.Image, extension: Extension, *, quality: int = 95) -> bytes:
    """A file's bytes: the same image always gives the same ones, and nothing but pixels is in them.

    `quality`, 1 to 100, is that of JPEG, whose colours keep their full resolution; PNG and WebP lose nothing.
    """
    if image.info:
        image = image.copy()
        image.info = {}
    file = io.BytesIO()
    if extension == "webp":
        image.save(file, "WEBP", lossless=True, quality=0, method=0, exact=True)
    elif extension == "jpeg":
        image.save(file, "JPEG", quality=quality, subsampling=0)
    else:
        image.save(file, "PNG", compress_level=_PNG_COMPRESSION)
    return file.getvalue()


def fits_format(size_px: tuple[int, int], extension: Extension) -> bool:
    """Whether a file of the format can hold an image of this size."""
    return max(size_px) <= _LONGEST_SIDE_PX[extension]


def alpha_of(image: Image.Image) -> Image.Image | None:
    """The transparency of a decoded image as mode L, 255 where opaque; None when its mode carries none."""
    if not image.has_transparency_data:
        return None
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        return image.getchannel(image.getbands()[-1])
    if image.mode in _DEEP_GREY:
        return image.convert("I").point(_all_but(image.info["transparency"]), "L")
    return image.convert("RGBA").getchannel("A")


def exif_orientation(image: Image.Image) -> int:
    """1 to 8 as EXIF says, 1 (upright) when it says nothing or cannot be read."""
    if image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys():
        return 1  # asking Pillow would decode the whole file first
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return 1  # its decoder turns images upright, but for a JPEG file packed in it
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, RuntimeError, EOFError):
        return 1
    return value if value in _UPRIGHT else 1


def _in_srgb(image: Image.Image) -> Image.Image:
    """The colours alone, mode RGB; those under transparency are still there."""
    profile = image.info.get("icc_profile")
    colours = _without_alpha(image)
    if profile and judge_profile(profile, image.mode) == "other":
        return to_srgb(colours, profile)
    return colours if colours.mode == "RGB" else colours.convert("RGB")


def _without_alpha(image: Image.Image) -> Image.Image:
    """The colours in a mode of 8 bits a channel and no alpha, neither as a channel nor as a key."""
    mode = image.mode
    if mode in _DEEP_GREY or mode == "I":
        plain = _grey_from_integers(image)
    elif mode == "F":
        plain = _grey_from_floats(image)
    elif mode in ("L", "1", "LA", "La"):
        plain = (image.convert("LA") if mode == "La" else image).convert("L")
    elif mode in ("RGB", "CMYK", "LAB"):
        plain = image.copy()
    else:
        plain = (image.convert("RGBA") if mode == "RGBa" else image).convert("RGB")
    plain.info = {}
    return plain


def _grey_from_integers(image: Image.Image) -> Image.Image:
    values = image.convert("I")
    low, high = cast(tuple[int, int], values.getextrema())
    if low >= 0 and high <= 0xFFFF:
        return values.point(_sixteen_to_eight(), "L")
    return _grey_from_floats(values.convert("F"))


def _grey_from_floats(image: Image.Image) -> Image.Image:
    low, high = cast(tuple[float, float], image.getextrema())
    if low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    scale = 255 / (high - low) if high > low else 0.0
    return image.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")


@cache
def _sixteen_to_eight() -> list[int]:
    """0..65535 → 0..255, rounded."""
    return [(value * 255 + 32767) // 65535 for value in range(65536)]


def _all_but(key: int) -> list[int]:
    """A table that is 0 at `key` and 255 elsewhere."""
    table = [255] * 65536
    table[key] = 0
    return table
