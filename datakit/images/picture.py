"""An image while it is edited: colours and transparency apart, so that a hidden colour can never show."""

from __future__ import annotations

from typing import Final

import msgspec
from PIL import Image

from datakit.errors import InputError
from datakit.images.convert import colours_and_alpha, stored_orientation, turned
from datakit.images.decode import PIXEL_LIMIT

Box = tuple[int, int, int, int]
"""(x, y, width, height) in pixels."""
Size = tuple[int, int]
"""(width, height) in pixels."""
_BLACK: Final = (0, 0, 0)


class EmptyCrop(InputError):  # noqa: N818 - it names the state of a crop
    """A crop lies outside of its image; the message says both."""

    code = "empty-crop"


class TooLarge(InputError):  # noqa: N818 - it names the state of a picture
    """A picture would become larger than any that is read; the message says how large."""

    code = "too-large"


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Pixels on their way through edits; no metadata beside them."""

    colours: Image.Image
    """As decoded; from `in_srgb` on mode RGB, 8 bits, sRGB. Those under transparency mean nothing."""
    alpha: Image.Image | None = None
    """Mode L, 255 where opaque; None where all is."""
    orientation: int = 1
    """EXIF orientation of the pixels as they are here."""

    @property
    def size_px(self) -> Size:
        """(width, height) of the pixels as they are here."""
        return self.colours.size


def decoded_picture(image: Image.Image) -> Picture:
    """A decoded image, still in its own mode and not turned."""
    return Picture(colours=image, orientation=stored_orientation(image))


def in_srgb(picture: Picture) -> Picture:
    """Colours as mode RGB in sRGB, transparency beside them.

    Raises:
        UnreadableImage: the profile's transform fails.
    """
    colours, alpha = colours_and_alpha(picture.colours)
    return Picture(colours=colours, alpha=alpha, orientation=picture.orientation)


def upright(picture: Picture) -> Picture:
    """Turned as EXIF says."""
    if picture.orientation == 1:
        return picture
    alpha = None if picture.alpha is None else turned(picture.alpha, picture.orientation)
    return Picture(colours=turned(picture.colours, picture.orientation), alpha=alpha)


def cropped(picture: Picture, box: Box) -> Picture:
    """The part of the picture inside the box, which may reach over its sides.

    Raises:
        EmptyCrop: nothing of the picture is inside.
    """
    x, y, width, height = box
    wide, high = picture.size_px
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + width, wide), min(y + height, high)
    if left >= right or top >= bottom:
        raise EmptyCrop(f"a crop of {width} x {height} px at {x}, {y} lies outside of its {wide} x {high} px")
    if (left, top, right, bottom) == (0, 0, wide, high):
        return picture
    region = (left, top, right, bottom)
    alpha = None if picture.alpha is None else picture.alpha.crop(region)
    return Picture(colours=picture.colours.crop(region), alpha=_needed(alpha))


def resized(picture: Picture, size_px: Size, *, resample: Image.Resampling = Image.Resampling.LANCZOS) -> Picture:
    """The picture at another size; colours count as much as they are opaque.

    Raises:
        TooLarge: over the limit of pixels.
    """
    if size_px[0] * size_px[1] > PIXEL_LIMIT:
        raise TooLarge(f"{size_px[0]} x {size_px[1]} px, which it would become, is over {PIXEL_LIMIT:,} pixels")
    if size_px == picture.size_px:
        return picture
    if picture.alpha is None:
        return Picture(colours=picture.colours.resize(size_px, resample))
    whole = Image.merge("RGBA", (*picture.colours.split(), picture.alpha))
    if resample != Image.Resampling.NEAREST:
        whole = whole.convert("RGBa").resize(size_px, resample).convert("RGBA")
    else:
        whole = whole.resize(size_px, resample)
    return Picture(colours=whole.convert("RGB"), alpha=_needed(whole.getchannel("A")))


def premultiplied(picture: Picture) -> Image.Image:
    """The colours on black, mode RGB: nothing of those that are hidden is left."""
    if picture.alpha is None:
        return picture.colours
    return Image.composite(picture.colours, Image.new("RGB", picture.size_px, _BLACK), picture.alpha)


def from_premultiplied(colours: Image.Image, alpha: Image.Image | None) -> Picture:
    """What `premultiplied` gave, with its transparency."""
    if alpha is None:
        return Picture(colours=colours)
    whole = Image.merge("RGBa", (*colours.split(), alpha)).convert("RGBA")
    return Picture(colours=whole.convert("RGB"), alpha=_needed(alpha))


def _needed(alpha: Image.Image | None) -> Image.Image | None:
    return None if alpha is None or alpha.getextrema()[0] == 255 else alpha
