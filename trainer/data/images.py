"""Decodes pictures into pixels, safely and the same way everywhere.

The EXIF orientation is applied. Transparency is laid on white, since hidden colours under it are noise;
pictures exported by dsk have none left. Pillow's limit on decoded pixels stays on.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageOps, UnidentifiedImageError

from trainer.data.buckets import Fit
from trainer.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ORIENTATION = 0x0112
_TURNED = {5, 6, 7, 8}
_FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}


def read_size(path: Path) -> tuple[int, int]:
    """Width and height as seen, from the header alone. Raises DatasetError."""
    with _told(path), Image.open(path) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION) in _TURNED
    return (height, width) if turned else (width, height)


def read_pixels(path: Path, fit: Fit, *, interpolation: str) -> NDArray[np.float32]:
    """The picture in its bucket, [3, height, width] in -1..1. Raises DatasetError."""
    import numpy as np

    with _told(path), Image.open(path) as opened:
        image = flattened(ImageOps.exif_transpose(opened))
    if image.size != fit.resized_px:
        image = image.resize(fit.resized_px, _FILTERS[interpolation])
    left, top = fit.crop_px
    image = image.crop((left, top, left + fit.bucket_px[0], top + fit.bucket_px[1]))
    pixels = np.asarray(image, dtype=np.float32) / 127.5 - 1.0
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def flattened(image: Image.Image) -> Image.Image:
    """The picture as RGB, transparency laid on white."""
    if image.mode == "RGB":
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, clear).convert("RGB")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turns what Pillow raises into DatasetError; a picture past the pixel limit is refused, not warned of."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except UnidentifiedImageError:
        raise DatasetError(f"{path}: is not a picture", hint="remove the file or replace it") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DatasetError(
            f"{path}: has more than {Image.MAX_IMAGE_PIXELS} pixels", hint="make it smaller first"
        ) from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DatasetError(
            f"{path}: the picture cannot be decoded ({error})", hint="remove the file or replace it"
        ) from None
