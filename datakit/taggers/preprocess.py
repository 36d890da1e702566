"""From an image to the numbers that a tagger takes, exactly as its reference does it.

For the WD family that is the pipeline of SmilingWolf's wd-tagger space: alpha over white, a white square with the image
in its middle, bicubic, BGR, 0 to 255. It pads before it resizes, so the order of the two, their roundings and the
resampling of the border are part of the result; the tests compare bit for bit. Pixels are taken as they are: an image
of the stage `edited` is upright and sRGB already, and the space knows neither EXIF nor colour profiles.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datakit.images.colour import Colour
from datakit.images.convert import to_srgb_rgb
from datakit.taggers.spec import Input

VERSION: Final = 1
"""Raised whenever the same image would give other numbers: remembered scores depend on it."""

Floats = NDArray[np.float32]

_RESAMPLE: Final = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}
_PLAIN: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})
"""Modes that Pillow makes RGBA of without loss."""
_PLAIN_NUMBERS: Final = ("0-255", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def prepare(image: Image.Image, wanted: Input, size_px: int, *, out: Floats | None = None) -> Floats:
    """A decoded image as the model takes it, without the axis of the batch: [H, W, 3] or [3, H, W], float32.

    `size_px` is the side of the model's input. Written to `out` where that is given, such as a row of a batch: it saves
    a copy. Any thread may call it; Pillow and numpy work outside of the interpreter's lock.
    """
    square = fit(opaque(image, wanted.background_colour), wanted, size_px)
    pixels = np.asarray(square)
    if wanted.channels == "bgr":
        pixels = pixels[:, :, ::-1]
    if wanted.layout == "nchw":
        pixels = pixels.transpose(2, 0, 1)
    if out is None:
        out = np.empty(pixels.shape, np.float32)
    if (wanted.scale, wanted.mean, wanted.std) == _PLAIN_NUMBERS:
        np.copyto(out, pixels)
        return out
    channel_axis = 0 if wanted.layout == "nchw" else 2
    for channel, numbers in enumerate(_tables(wanted.scale, wanted.mean, wanted.std)):
        # 256 values are all there are, so each is computed once and looked up.
        np.take(numbers, pixels.take(channel, channel_axis), out=_channel(out, channel, channel_axis), mode="clip")
    return out


def opaque(image: Image.Image, background: Colour) -> Image.Image:
    """The image as RGB on `background`; the colour under alpha never shows, and partial alpha is blended."""
    if image.mode not in _PLAIN:
        return to_srgb_rgb(image, background=background)
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    above = image if image.mode == "RGBA" else image.convert("RGBA")
    canvas = Image.new("RGBA", above.size, background)
    canvas.alpha_composite(above)
    return canvas.convert("RGB")


def fit(image: Image.Image, wanted: Input, size_px: int) -> Image.Image:
    """An RGB image of `size_px` × `size_px`, by the way that `wanted` names."""
    resample = _RESAMPLE[wanted.resample]
    if wanted.fit == "pad-square":
        return _pad_then_resize(image, wanted.pad_colour, size_px, resample)
    if wanted.fit == "stretch":
        return _resized(image, (size_px, size_px), resample)
    longest = max(image.size)
    width, height = (max(1, side * size_px // longest) for side in image.size)
    return _padded(_resized(image, (width, height), resample), wanted.pad_colour, size_px, size_px)


def _pad_then_resize(image: Image.Image, pad: Colour, size_px: int, resample: Image.Resampling) -> Image.Image:
    width, height = image.size
    side = max(width, height)
    if width == side and height != side and side != size_px:
        # Pillow resizes along the rows first, and a row of padding stays what it is: so pad what is left. Same bits.
        image = _resized(image, (size_px, height), resample)
        return _resized(_padded(image, pad, size_px, side), (size_px, size_px), resample)
    return _resized(_padded(image, pad, side, side), (size_px, size_px), resample)


def _padded(image: Image.Image, pad: Colour, width_px: int, height_px: int) -> Image.Image:
    """In the middle of a canvas; an odd remainder goes to the right and to the bottom."""
    if image.size == (width_px, height_px):
        return image
    canvas = Image.new("RGB", (width_px, height_px), pad)
    canvas.paste(image, ((width_px - image.width) // 2, (height_px - image.height) // 2))
    return canvas


def _resized(image: Image.Image, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
    return image if image.size == size else image.resize(size, resample)


def _channel(out: Floats, channel: int, axis: int) -> Floats:
    return out[channel] if axis == 0 else out[:, :, channel]


@lru_cache(maxsize=64)
def _tables(scale: str, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[Floats, ...]:
    """For each channel what 0 to 255 become, in float32 arithmetic as the references do it."""
    numbers = np.arange(256, dtype=np.float32)
    if scale == "0-1":
        numbers = numbers / np.float32(255)
    tables = [(numbers - np.float32(one)) / np.float32(other) for one, other in zip(mean, std, strict=True)]
    for table in tables:
        table.setflags(write=False)
    return tuple(tables)
