"""Small pictures for pages: any image in, a WebP file out; transparency stays."""

from __future__ import annotations

import io
from typing import Final

import msgspec
from PIL import Image, ImageOps

from datakit.images.convert import alpha_of, to_srgb_rgb
from datakit.images.decode import decode_pixels, format_of, open_lazily, unreadable_if_damaged

SIDE_PX: Final = 256
_QUALITY: Final = 78
_EFFORT: Final = 2
"""Of WebP's 0 to 6: higher ones take twice the time for files that are hardly smaller."""
_WHITE: Final = (255, 255, 255)


class Thumbnail(msgspec.Struct, frozen=True):
    """A small picture and what it was made from."""

    data: bytes
    """A WebP file."""
    size_px: tuple[int, int]
    """(width, height) of the thumbnail."""
    original_px: tuple[int, int]
    """(width, height) of the image as people see it, after the EXIF rotation."""
    transparent: bool


def make_thumbnail(data: bytes, *, side_px: int = SIDE_PX) -> Thumbnail:
    """The image upright, in sRGB, its longer side at most `side_px`.

    Raises:
        UnreadableImage: empty, no image, truncated, damaged, or over the pixel limit.
    """
    image = open_lazily(io.BytesIO(data))
    width, height = image.size
    with unreadable_if_damaged(format_of(image)):
        image.draft(None, (2 * side_px, 2 * side_px))  # JPEG decodes to a fraction of its size at no cost
    decode_pixels(image)
    with unreadable_if_damaged(format_of(image)):
        alpha = alpha_of(image)
        transparent = alpha is not None and alpha.getextrema()[0] != 255
        picture = _upright_rgba(image, alpha) if transparent and alpha else to_srgb_rgb(image, background=_WHITE)
        is_turned = (picture.width > picture.height) != (width > height)
        picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=_QUALITY, method=_EFFORT)
    original_px = (height, width) if is_turned else (width, height)
    return Thumbnail(file.getvalue(), picture.size, original_px, transparent)


def _upright_rgba(image: Image.Image, alpha: Image.Image) -> Image.Image:
    """The colours with their transparency; a colour profile is not applied."""
    picture = image.convert("RGBA").convert("RGB")
    picture.putalpha(alpha)
    picture.info = {name: value for name, value in image.info.items() if name == "exif"}
    turned = ImageOps.exif_transpose(picture)
    turned.info = {}
    return turned
