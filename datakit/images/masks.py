"""Masks of images: from any picture, or from an image's own transparency, to greyscale of the image's size."""

from __future__ import annotations

from typing import Final, Literal

from PIL import Image, ImageChops

from datakit.images.convert import alpha_of, colours_and_alpha, encode, stored_orientation, turned
from datakit.images.decode import UnreadableImage, open_bounded

Source = Literal["picture", "alpha"]
"""A picture that is painted white where the loss counts, or an image that is transparent where it does not."""
_OFF_PX: Final = 1
"""How far the smaller of mask and image may be off the other's shape: sizes are rounded."""


def mask_png(data: bytes, source: Source, size_px: tuple[int, int]) -> bytes:
    """The PNG file, 8-bit greyscale, of a mask for an upright image of this size; white where the loss counts.

    Colours count by their brightness, and what is transparent in a painted mask is black.

    Raises:
        UnreadableImage: it cannot be decoded, or is of another shape than the image.
    """
    image = open_bounded(data)
    grey = _painted(image) if source == "picture" else alpha_of(image) or Image.new("L", image.size, 255)
    return encode(_fitted(turned(grey, stored_orientation(image)), size_px), "png")


def _painted(image: Image.Image) -> Image.Image:
    colours, alpha = colours_and_alpha(image)
    grey = colours.convert("L")
    return grey if alpha is None else ImageChops.multiply(grey, alpha)


def _fitted(mask: Image.Image, size_px: tuple[int, int]) -> Image.Image:
    """Of the size: a mask's edges stay as hard as they are where it is enlarged."""
    if mask.size == size_px:
        return mask
    is_larger = size_px[0] * size_px[1] > mask.width * mask.height
    small, large = (mask.size, size_px) if is_larger else (size_px, mask.size)
    if abs(large[1] * small[0] / large[0] - small[1]) > _OFF_PX and (
        abs(large[0] * small[1] / large[1] - small[0]) > _OFF_PX
    ):
        sizes = f"it is {mask.width} x {mask.height} px, the image {size_px[0]} x {size_px[1]} px"
        raise UnreadableImage(f"{sizes}: another shape")
    return mask.resize(size_px, Image.Resampling.NEAREST if is_larger else Image.Resampling.BOX)
