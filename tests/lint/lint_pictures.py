"""Images of lint's cases, by a word for their kind."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import Any

from lint_image_kinds import KINDS, SIZED_KINDS
from PIL import Image


@cache
def picture(kind: str) -> bytes:
    """An image of 8 by 6 pixels of the given kind; `rgb 640x480` is of that size."""
    name, _, size = kind.partition(" ")
    if size:
        width, _, height = size.partition("x")
        return SIZED[name]((int(width), int(height)))
    return PICTURES[name]()


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _plain(mode: str, colour: Any, *, last: Any = None) -> bytes:
    image = Image.new(mode, (8, 6), colour)
    if last is not None:
        image.putpixel((7, 5), last)
    return _encoded(image, "PNG")


def _palette(transparent: bool) -> bytes:
    image = Image.new("P", (8, 6), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 1), 1)
    return _encoded(image, "PNG", **({"transparency": 1} if transparent else {}))


def _noise() -> bytes:
    image = Image.effect_noise((64, 64), 80).convert("RGB")
    return _encoded(image, "JPEG")


def _scene(size: tuple[int, int], turns: int = 1) -> Image.Image:
    """Something with light and dark in it, the same at every size; other turns show something else."""
    grid = [(column * column + 3 * row * turns + column * row) * 37 % 256 for row in range(6) for column in range(7)]
    small = Image.new("L", (7, 6))
    small.putdata(grid)
    return small.resize(size, Image.Resampling.BICUBIC).convert("RGB")


PICTURES: dict[str, Callable[[], bytes]] = {
    **KINDS,
    "rgb": lambda: _plain("RGB", (200, 30, 30)),
    "grey": lambda: _plain("L", 90),
    "jpeg": lambda: _encoded(Image.new("RGB", (8, 6), (30, 90, 30)), "JPEG"),
    "rgba-opaque": lambda: _plain("RGBA", (200, 30, 30, 255)),
    "rgba-transparent": lambda: _plain("RGBA", (0, 0, 0, 0), last=(200, 30, 30, 255)),
    "rgba-one-soft-pixel": lambda: _plain("RGBA", (200, 30, 30, 255), last=(200, 30, 30, 254)),
    "grey-alpha": lambda: _plain("LA", (90, 0)),
    "palette": lambda: _palette(transparent=False),
    "palette-transparent": lambda: _palette(transparent=True),
    "webp-transparent": lambda: _encoded(Image.new("RGBA", (8, 6), (1, 2, 3, 9)), "WEBP", lossless=True),
    "truncated-jpeg": lambda: (data := _noise())[: len(data) * 2 // 3],
    "truncated-png": lambda: (data := _plain("RGB", (1, 2, 3)))[: len(data) // 2],
    "zero-bytes": lambda: b"",
    "macos-twin": lambda: b"\x00\x05\x16\x07\x00\x02\x00\x00",
    "web-page": lambda: b"<!doctype html><title>404 Not Found</title>",
}

SIZED: dict[str, Callable[[tuple[int, int]], bytes]] = {
    **SIZED_KINDS,
    "rgb": lambda size: _encoded(Image.new("RGB", size, (200, 30, 30)), "PNG"),
    "jpeg": lambda size: _encoded(Image.new("RGB", size, (30, 90, 30)), "JPEG"),
    "scene": lambda size: _encoded(_scene(size), "PNG"),
    "scene-jpeg": lambda size: _encoded(_scene(size), "JPEG", quality=70),
    "scene-mirrored": lambda size: _encoded(_scene(size).transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG"),
    "other-scene": lambda size: _encoded(_scene(size, turns=3), "PNG"),
}
