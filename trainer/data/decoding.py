"""Opens and decodes picture files, safely and the same way everywhere.

The EXIF orientation is applied. Transparency is laid on white, since hidden colours under it are noise;
pictures exported by dsk have none left. A file of more than MAX_PIXELS is refused by its header alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError, features

from trainer.errors import DatasetError

MAX_PIXELS = 200_000_000
_ORIENTATION = 0x0112
_TURNED = {5, 6, 7, 8}
_DEEP = ("I", "F")
_LIMIT = threading.Lock()


@lru_cache(maxsize=1)
def extensions() -> frozenset[str]:
    """Of picture files that can be read here, lower case: those of sd-scripts, avif and jxl where Pillow can."""
    found = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
    if features.check("avif"):
        found.add(".avif")
    if importlib.util.find_spec("pillow_jxl"):
        importlib.import_module("pillow_jxl")
        found.add(".jxl")
    return frozenset(found)


def read_size(path: Path) -> tuple[int, int]:
    """Width and height as seen, from the header alone. Raises DatasetError."""
    with opened(path) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION) in _TURNED
    return (height, width) if turned else (width, height)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The picture, not decoded yet; whatever goes wrong with it meanwhile becomes a DatasetError."""
    try:
        with _opened(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DatasetError(f"{path}: has more than {MAX_PIXELS} pixels", hint="make it smaller first")
            yield image
    except UnidentifiedImageError:
        raise DatasetError(f"{path}: is not a picture", hint="remove the file or replace it") from None
    except MemoryError:
        raise DatasetError(f"{path}: too little memory to decode it", hint="make it smaller first") from None
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error, zlib.error) as error:
        raise DatasetError(
            f"{path}: the picture cannot be decoded ({error})", hint="remove the file or replace it"
        ) from None


def upright(image: Image.Image) -> Image.Image:
    """The picture as it is meant to be seen, decoded."""
    return ImageOps.exif_transpose(image)


def flattened(image: Image.Image) -> Image.Image:
    """The picture as RGB, transparency laid on white."""
    if image.mode == "RGB":
        return image
    if _is_deep(image):
        return grey(image).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    white = Image.new("RGBA", clear.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, clear).convert("RGB")


def grey(image: Image.Image) -> Image.Image:
    """How bright the picture is, 8 bits; 16 bits are scaled down, not cut off; transparency is black."""
    if _is_deep(image):
        import numpy as np

        values = np.nan_to_num(np.asarray(image, dtype=np.float32))
        top = _white(image.mode, float(values.max(initial=0.0)))
        return Image.fromarray((values.clip(0, top) * (255.0 / top)).round().astype(np.uint8))
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        black = Image.new("RGBA", clear.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, clear)
    return image.convert("L")


def alpha(image: Image.Image) -> Image.Image | None:
    """The alpha channel; None where the picture has no transparency."""
    return image.convert("RGBA").getchannel("A") if image.has_transparency_data else None


def _white(mode: str, brightest: float) -> float:
    """The value that means white: told by the mode, else guessed from the brightest value."""
    if mode.startswith("I;16"):
        return 65535.0
    if mode == "F" and brightest <= 1.0:
        return 1.0
    return 255.0 if brightest <= 255.0 else 65535.0


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith(_DEEP)


def _opened(path: Path) -> Image.Image:
    # Pillow's own limit is one for the whole program, and looked at while the header is read only.
    with _LIMIT, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        try:
            return Image.open(path)
        except Image.DecompressionBombError:
            raise DatasetError(f"{path}: has more than {MAX_PIXELS} pixels", hint="make it smaller first") from None
        finally:
            Image.MAX_IMAGE_PIXELS = before
