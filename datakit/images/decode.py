"""The one place that decodes images: untrusted bytes in, an image or a reason out.

The format is what the first bytes say, never the file's name, and only still-image formats are tried: Pillow would
otherwise hand PostScript to an interpreter. Sizes are checked before any pixel is decoded.
"""

from __future__ import annotations

import importlib
import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from datakit.errors import InputError
from datakit.images.jxl import jxl_size
from datakit.images.pngchunks import ALL_TEXT_BYTES, TEXT_BYTES, without_long_texts

PIXEL_LIMIT: Final = 200_000_000
"""An image of more pixels is refused: decoded, it would take 600 MB and more."""
BYTE_LIMIT: Final = 700_000_000
"""A larger file is refused: one of as many pixels as are allowed, not compressed at all, is smaller. Whoever reads a
file for a decoder reads no more than one byte beyond."""

_SIGNATURES: Final = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("AVIF", re.compile(rb"....ftyp(?:avif|avis|mif1|msf1|miaf)", re.DOTALL)),
    ("BMP", re.compile(rb"BM")),
    ("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]")),
    ("JXL", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n")),
)
_PLUGINS: Final = {"JXL": "pillow_jxl"}
"""Format that Pillow itself does not read → the module that makes it, where it is installed."""
_SIGNATURE_BYTES: Final = 16
_WEB_PAGE: Final = re.compile(rb"\s*<(?:!doctype|html|\?xml|head|body)", re.IGNORECASE)
_QUIET: Final = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_DECODER_ERRORS: Final = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError),
    *(EOFError, BufferError, AssertionError, MemoryError, struct.error, zlib.error),
)
"""What Pillow's decoders are known to raise on malformed bytes."""


class UnreadableImage(InputError):  # noqa: N818 - it names the state of a file
    """These bytes are no image that can be decoded; `reason` says why, without naming a file."""

    code = "unreadable-image"

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.reason = reason


def read_bounded(path: Path) -> bytes:
    """A file's bytes for a decoder: all, or, of one that is over the limit, so many that it is seen.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(BYTE_LIMIT + 1)


def open_bounded(data: bytes, *, limit_px: int = PIXEL_LIMIT) -> Image.Image:
    """The image, completely decoded; of an animation its first frame.

    Raises:
        UnreadableImage: empty, no image, truncated, damaged, or more than `limit_px` pixels.
    """
    image = open_lazily(io.BytesIO(data), limit_px=limit_px)
    decode_pixels(image)
    return image


def open_lazily(file: IO[bytes], *, limit_px: int = PIXEL_LIMIT) -> ImageFile.ImageFile:
    """The image with its header read and no pixel decoded; `file` has to stay open for as long as it is used.

    Raises:
        UnreadableImage: as `open_bounded`, as far as the header shows it.
    """
    _restrain_pillow()
    _check_bytes(file)
    name = _recognise(file)
    with unreadable_if_damaged(name):
        if name == "JXL":
            _check_pixels(jxl_size(file), limit_px)  # else Pillow's plugin decodes it first
            file.seek(0)
        image = _open_png(file) if name == "PNG" else Image.open(file, formats=(name,))
    _check_pixels(image.size, limit_px)
    return image


def decode_pixels(image: ImageFile.ImageFile) -> None:
    """Decode a lazily opened image in place.

    Raises:
        UnreadableImage: truncated or damaged.
    """
    key_bits = _key_bits(image)
    with unreadable_if_damaged(format_of(image)):
        try:
            image.load()
        except ValueError:
            whole = _whole_without_texts(image)
            if whole is None:
                raise
            image.load()
            image.info.update(whole.info)  # what stands behind the texts
    if key_bits:
        image.info["transparency"] = _scaled_key(image.info["transparency"], key_bits)


def format_of(image: Image.Image) -> str:
    """The format as decoded: `png`, `jpeg`, `webp`, …; '' for an image that was not read from a file."""
    name = (image.format or "").lower()
    return "jpeg" if name == "mpo" else name


@contextmanager
def unreadable_if_damaged(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into UnreadableImage; `name` is the format's."""
    try:
        yield
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImage(f"over the limit of {PIXEL_LIMIT:,} pixels") from error
    except UnidentifiedImageError as error:
        raise UnreadableImage(f"truncated or damaged {name.lower()} header") from error
    except _DECODER_ERRORS as error:
        detail = str(error) or type(error).__name__
        raise UnreadableImage(f"truncated or damaged {name.lower()}: {detail}") from error


def _check_pixels(size_px: tuple[int, int], limit_px: int) -> None:
    width, height = size_px
    if width * height > limit_px:
        raise UnreadableImage(f"{width} x {height} px is over the limit of {limit_px:,} pixels")


def _check_bytes(file: IO[bytes]) -> None:
    size_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size_bytes > BYTE_LIMIT:
        raise UnreadableImage(f"the file is over the limit of {BYTE_LIMIT // 1_000_000:,} MB")


def _open_png(file: IO[bytes]) -> ImageFile.ImageFile:
    """A PNG file; texts and profiles in it that unpack to more than is good do not count, and the picture does."""
    PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = TEXT_BYTES, ALL_TEXT_BYTES
    file.seek(0)
    try:
        return Image.open(file, formats=("PNG",))
    except ValueError:
        return Image.open(_without_texts(file), formats=("PNG",))


def _whole_without_texts(image: ImageFile.ImageFile) -> Image.Image | None:
    """The image without texts, where one that could not be decoded is a PNG file that only has too long ones behind its
    pixels."""
    if image.format != "PNG" or image.tile or image.fp is None:
        return None
    whole = Image.open(_without_texts(image.fp), formats=("PNG",))
    whole.load()
    return whole


def _without_texts(file: IO[bytes]) -> IO[bytes]:
    """Raises ValueError where no text is too long: then it is not that."""
    file.seek(0)
    kept = without_long_texts(file.read())
    if kept is None:
        raise ValueError("damaged metadata")
    return io.BytesIO(kept)


def _recognise(file: IO[bytes]) -> str:
    """Pillow's name of the format that the file's first bytes announce."""
    start = file.read(_SIGNATURE_BYTES)
    if not start:
        raise UnreadableImage("the file is empty")
    name = next((name for name, signature in _SIGNATURES if signature.match(start)), "")
    if not name:
        page = _WEB_PAGE.match(start + file.read(_SIGNATURE_BYTES))
        raise UnreadableImage("not an image but a web page" if page else "not an image of a known format")
    if name not in Image.OPEN:
        Image.init()
    if name not in Image.OPEN and name in _PLUGINS:
        with suppress(ImportError):
            importlib.import_module(_PLUGINS[name])
    if name not in Image.OPEN:
        plugin = f"; pip install {_PLUGINS[name].replace('_', '-')}-plugin reads it" if name in _PLUGINS else ""
        raise UnreadableImage(f"{name} is not supported by the installed Pillow{plugin}")
    return name


def _restrain_pillow() -> None:
    """Put our limit in the place of Pillow's, and keep its warnings off the screen: we raise, or it is harmless.

    Idempotent and cheap; done at each use, because whoever restores the warning filters undoes it.
    """
    Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _key_bits(image: ImageFile.ImageFile) -> int:
    """Bits per channel of a PNG whose transparent colour Pillow leaves in the file's scale; 0 when it need not care.

    Pillow spreads 2 and 4 bit greys to 0..255 and cuts 16 bit colours to 8, but not the tRNS entry beside them.
    """
    if image.format != "PNG" or "transparency" not in image.info or not image.tile:
        return 0
    raw_mode = image.tile[0].args
    return {"L;2": 2, "L;4": 4, "RGB;16B": 16}.get(raw_mode if isinstance(raw_mode, str) else "", 0)


def _scaled_key(key: int | tuple[int, ...], bits: int) -> int | tuple[int, ...]:
    if isinstance(key, tuple):
        return tuple(value >> (bits - 8) for value in key)
    return key * 255 // ((1 << bits) - 1)
