"""Images with the faults that rules about images look for; `lint_pictures` gives them by their words."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

from images.tiny_pictures import srgb_profile, swapped_profile
from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin

Size = tuple[int, int]
ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A file's bytes."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def drawn(size: Size) -> Image.Image:
    """Sharp shapes in many colours on light ground, with dark lines."""
    image = Image.new("RGB", size, "#eadfca")
    pen = ImageDraw.Draw(image)
    width, height = size
    for at in range(0, width, max(4, width // 16)):
        top, side = at * 7 % max(1, height * 3 // 4), max(3, width // 12)
        fill = (at * 13 % 256, 60, 240 - at * 5 % 200)
        pen.ellipse((at, top, at + side, top + side), fill=fill, outline="#101018")
        pen.line((at, 0, width - at, height), fill="#101018")
    return image


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def _moving(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")[:count]]


def _animation(kind: str, count: int) -> bytes:
    first, *others = _moving(count)
    return encoded(first, kind, save_all=True, append_images=others, duration=100)


def _png16(colour_type: int, samples: int) -> bytes:
    """A PNG file of 4 x 3 px, 16 bits a channel, written by hand: Pillow writes none in colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + struct.pack(f">{4 * samples}H", *range(1000, 60000, 59000 // (4 * samples))[: 4 * samples])
    head = struct.pack(">IIBBBBB", 4, 3, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * 3)) + chunk(b"IEND", b"")


def _cut_out(hidden: Image.Image) -> bytes:
    """A disc that can be seen; around it the other image, transparent."""
    figure = hidden.convert("RGBA")
    alpha = Image.new("L", figure.size, 0)
    ImageDraw.Draw(alpha).ellipse((20, 20, 44, 44), fill=255)
    figure.putalpha(alpha)
    return encoded(figure, "PNG")


def _barred(size: Size, bar_px: int) -> bytes:
    image = Image.new("RGB", size)
    image.paste(drawn((size[0], size[1] - 2 * bar_px)), (0, bar_px))
    return encoded(image, "PNG")


def _said(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, value in texts.items():
        info.add_text(name, value)
    return encoded(drawn((64, 64)), "PNG", pnginfo=info)


def _page() -> Image.Image:
    page = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(page).line((100, 0, 100, 0), fill="black")
    return page


def _gradient() -> Image.Image:
    return Image.linear_gradient("L").resize((256, 512)).convert("RGB")


def _lamp() -> Image.Image:
    night = Image.new("RGB", (200, 200), "#05050c")
    pen = ImageDraw.Draw(night)
    pen.rectangle((60, 60, 140, 140), fill="#302010", outline="#000000")
    pen.ellipse((90, 90, 115, 115), fill="#ffe9a0")
    return night


def _tiff_turned() -> bytes:
    return encoded(drawn((32, 24)), "TIFF", exif=_exif(6))


KINDS: dict[str, Callable[[], bytes]] = {
    "cmyk": lambda: encoded(Image.new("CMYK", (8, 6), (0, 200, 200, 0)), "JPEG"),
    "lab": lambda: encoded(Image.new("LAB", (8, 6), (100, 130, 120)), "TIFF"),
    "one-bit": lambda: encoded(Image.new("1", (8, 6), 1), "PNG"),
    "grey16": lambda: _png16(0, 1),
    "rgb16": lambda: _png16(2, 3),
    "rgba16": lambda: _png16(6, 4),
    "float": lambda: encoded(Image.new("F", (8, 6), 0.5), "TIFF"),
    "integers": lambda: encoded(Image.new("I", (8, 6), 40000), "TIFF"),
    "swapped-profile": lambda: encoded(drawn((32, 24)), "PNG", icc_profile=swapped_profile()),
    "srgb-profile": lambda: encoded(drawn((32, 24)), "PNG", icc_profile=srgb_profile()),
    "broken-profile": lambda: encoded(drawn((32, 24)), "PNG", icc_profile=b"no profile at all"),
    **{f"turned-{turn}": lambda turn=turn: encoded(drawn((32, 24)), "JPEG", exif=_exif(turn)) for turn in range(1, 9)},
    "turned-tiff": _tiff_turned,
    "animated-gif": lambda: _animation("GIF", 3),
    "animated-webp": lambda: _animation("WEBP", 3),
    "animated-png": lambda: _animation("PNG", 3),
    "still-gif": lambda: _animation("GIF", 1),
    "bmp": lambda: encoded(drawn((16, 12)), "BMP"),
    "tiff": lambda: encoded(drawn((16, 12)), "TIFF"),
    "webp": lambda: encoded(drawn((16, 12)), "WEBP"),
    "two-views": lambda: encoded(_moving(1)[0], "MPO", save_all=True, append_images=_moving(3)[2:]),
    "truncated-webp": lambda: (data := encoded(drawn((64, 48)), "WEBP", lossless=True))[: len(data) // 2],
    "truncated-gif": lambda: (data := encoded(drawn((64, 48)), "GIF"))[: len(data) // 2],
    "damaged-png": lambda: (data := encoded(drawn((64, 48)), "PNG"))[:60] + bytes(40) + data[100:],
    "hidden-picture": lambda: _cut_out(drawn((64, 64))),
    "hidden-black": lambda: _cut_out(Image.new("RGB", (64, 64))),
    "hidden-two-colours": lambda: _cut_out(Image.new("RGB", (64, 64), "red").crop((-32, 0, 32, 64))),
    "from-a1111": lambda: _said(parameters="1girl\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"),
    "from-comfyui": lambda: _said(prompt='{"3": {"class_type": "KSampler"}}'),
    "with-a-title": lambda: _said(Title="Aria", Comment="drawn with 20 steps of care", Software="GIMP"),
    "black": lambda: encoded(Image.new("RGB", (64, 64)), "PNG"),
    "nearly-black": lambda: encoded(drawn((64, 64)).point(lambda value: value // 8), "PNG"),
    "nearly-white": lambda: encoded(drawn((64, 64)).point(lambda value: 215 + value // 8), "PNG"),
    "dotted-page": lambda: encoded(_page(), "PNG"),
    "gradient": lambda: encoded(_gradient(), "PNG"),
    "clear": lambda: encoded(Image.new("RGBA", (64, 64), (9, 9, 9, 0)), "PNG"),
    "lamp-at-night": lambda: encoded(_lamp(), "PNG"),
}

SIZED_KINDS: dict[str, Callable[[Size], bytes]] = {
    "drawn": lambda size: encoded(drawn(size), "PNG"),
    "drawn-jpeg-95": lambda size: encoded(drawn(size), "JPEG", quality=95),
    "drawn-jpeg-60": lambda size: encoded(drawn(size), "JPEG", quality=60),
    "drawn-jpeg-30": lambda size: encoded(drawn(size), "JPEG", quality=30),
    "blurred": lambda size: encoded(drawn(size).filter(ImageFilter.GaussianBlur(4)), "PNG"),
    "softened": lambda size: encoded(drawn(size).filter(ImageFilter.GaussianBlur(0.5)), "PNG"),
    "barred": lambda size: _barred(size, 20),
    "thinly-barred": lambda size: _barred(size, 1),
    "lying": lambda size: encoded(drawn(size), "JPEG", exif=_exif(6)),
}
