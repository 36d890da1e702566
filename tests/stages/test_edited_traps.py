"""Pictures that programs get wrong, cropped and made smaller, against numbers worked out here."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from edit_runs import array, edit, noise, opened, record, saved, turned
from images.tiny_pictures import chunk, png, srgb_profile, swapped_profile
from PIL import Image

from datakit.model.record import Edits

Numbers = npt.NDArray[np.float64]
WIDTH, HEIGHT = 24, 16
GROUND = np.array([0x30, 0x90, 0xF0], dtype=np.float64)
BOX = (4, 4, 16, 8)
_RANDOM = np.random.default_rng(7)
DEEP = _RANDOM.integers(0, 65536, (HEIGHT, WIDTH, 4), dtype=np.uint16)


def small_part(colours: Numbers, alpha: Numbers | None = None) -> Numbers:
    """Cut out, made four times smaller by the mean, on the ground: the same in another order, in floating point."""
    seen = np.ones((HEIGHT, WIDTH, 1)) if alpha is None else alpha[..., None] / 255
    flat = colours * seen + GROUND * (1 - seen)
    x, y, width, height = BOX
    part = flat[y : y + height, x : x + width]
    return part.reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3))


def made(data: bytes) -> Numbers:
    steps = [{"do": "resize", "to_px": 2, "filter": "box"}]
    product = edit(data, {"background": "#3090f0", "steps": steps}, record=record(edits=Edits(crop_px=BOX)))
    image = opened(product.image)
    assert image.mode == "RGB"
    return array(image)


def grey(values: Any) -> Numbers:
    return np.repeat(np.asarray(values, dtype=np.float64)[..., None], 3, axis=-1)


def rows(values: npt.NDArray[np.uint16]) -> bytes:
    """PNG rows of 16 bits, without a filter."""
    return b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)


def png_16(bands: int) -> bytes:
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[bands]
    return png((WIDTH, HEIGHT), 16, kind, rows(DEEP[..., :bands].reshape(HEIGHT, -1)))


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_sixteen_bits(bands: int) -> None:
    colours = grey(DEEP[..., 0] / 257) if bands < 3 else DEEP[..., :3] / 257
    alpha = DEEP[..., bands - 1] / 257 if bands in (2, 4) else None
    assert np.abs(made(png_16(bands)) - small_part(colours, alpha)).max() <= 3


def test_sixteen_bits_with_a_transparent_grey() -> None:
    values = np.where(DEEP[..., 0] < 30000, 12345, DEEP[..., 0]).astype(np.uint16)
    data = png((WIDTH, HEIGHT), 16, 0, rows(values), extra=chunk(b"tRNS", struct.pack(">H", 12345)))
    wanted = small_part(grey(values / 257), np.where(values == 12345, 0.0, 255.0))
    assert np.abs(made(data) - wanted).max() <= 2


def test_grey_with_alpha() -> None:
    image = noise(WIDTH, HEIGHT, "LA")
    values = array(image)
    assert np.abs(made(saved(image)) - small_part(grey(values[..., 0]), values[..., 1])).max() <= 2


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_colours_that_stand_for_transparent(mode: str) -> None:
    image = noise(WIDTH, HEIGHT, mode)
    key: Any = (9, 8, 7) if mode == "RGB" else 9
    for x in range(0, WIDTH, 2):
        image.paste(key, (x, 0, x + 1, HEIGHT))
    values = array(image) if mode == "RGB" else grey(array(image))
    clear = (values == np.array(key)).all(axis=-1)
    wanted = small_part(values, np.where(clear, 0.0, 255.0))
    assert np.abs(made(saved(image, transparency=key)) - wanted).max() <= 2


def test_a_palette_with_transparency() -> None:
    table = _RANDOM.integers(0, 256, (64, 3), dtype=np.uint8)
    veils = _RANDOM.integers(0, 256, 64, dtype=np.uint8)
    chosen = _RANDOM.integers(0, 64, (HEIGHT, WIDTH), dtype=np.uint8)
    image = Image.frombytes("P", (WIDTH, HEIGHT), chosen.tobytes())
    image.putpalette(table.tobytes())
    wanted = small_part(table[chosen].astype(np.float64), veils[chosen].astype(np.float64))
    assert np.abs(made(saved(image, transparency=veils.tobytes())) - wanted).max() <= 2


def test_cmyk_as_adobe_writes_it() -> None:
    inks = np.zeros((HEIGHT, WIDTH, 4))
    inks[..., 0] = np.linspace(0, 250, WIDTH)
    inks[..., 1] = 60
    inks[..., 2] = np.linspace(200, 0, HEIGHT)[:, None]
    inks[..., 3] = 40
    image = Image.frombytes("CMYK", (WIDTH, HEIGHT), inks.round().astype(np.uint8).tobytes())
    data = saved(image, "JPEG", quality=100, subsampling=0)
    assert b"Adobe" in data, "inks are stored inverted"
    wanted = small_part((255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255)
    assert np.abs(made(data) - wanted).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_turned_and_half_transparent(orientation: int, file_format: str) -> None:
    image = noise(WIDTH, HEIGHT, "RGBA", orientation)
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = image if undo is None else image.transpose(Image.Transpose(undo))
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    data = saved(stored, file_format, exif=turned(orientation), **options)
    values = array(image)
    assert np.abs(made(data) - small_part(values[..., :3], values[..., 3])).max() <= 2


@pytest.mark.parametrize("swaps", [True, False])
def test_profiles(swaps: bool) -> None:
    image = noise(WIDTH, HEIGHT, "RGBA")
    profile = swapped_profile() if swaps else srgb_profile()
    values = array(image)
    colours = values[..., 2::-1] if swaps else values[..., :3]
    assert np.abs(made(saved(image, icc_profile=profile)) - small_part(colours, values[..., 3])).max() <= 3


def test_a_bitmap_of_black_and_white() -> None:
    image = noise(WIDTH, HEIGHT, "L").point(lambda value: 255 * (value > 99)).convert("1")
    values = grey(array(image.convert("L")))
    assert np.abs(made(saved(image)) - small_part(values)).max() <= 1
