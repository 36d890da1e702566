"""Pictures made for the tests: small, of every mode, and damaged ones."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageCms

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def saved(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def pixels(image: Image.Image) -> list[Any]:
    width, height = image.size
    return [image.getpixel((x, y)) for y in range(height) for x in range(width)]


def marked(mode: str = "RGB") -> Image.Image:
    """3 x 2 px, every pixel another colour, so that each of the eight orientations differs."""
    image = Image.new("RGB", (3, 2))
    for index, colour in enumerate([RED, GREEN, BLUE, WHITE, (0, 0, 0), (128, 64, 32)]):
        image.putpixel((index % 3, index // 3), colour)
    return image.convert(mode)


def blocks() -> Image.Image:
    """`marked`, each pixel 16 px wide: it survives JPEG."""
    return marked().resize((48, 32), Image.Resampling.NEAREST)


def with_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size: tuple[int, int], bits: int, colour_type: int, rows: bytes, *, extra: bytes = b"") -> bytes:
    """A PNG file written by hand; `rows` with their filter bytes, `extra` chunks before the pixels."""
    head = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """sRGB with the red and blue primaries exchanged: applying it exchanges the channels."""
    data = bytearray(srgb_profile())
    number = struct.unpack(">I", data[128:132])[0]
    at = {bytes(data[132 + 12 * i : 136 + 12 * i]): 136 + 12 * i for i in range(number)}
    red, blue = at[b"rXYZ"], at[b"bXYZ"]
    data[red : red + 8], data[blue : blue + 8] = data[blue : blue + 8], data[red : red + 8]
    return bytes(data)


def frames() -> list[Image.Image]:
    return [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, BLUE)]
