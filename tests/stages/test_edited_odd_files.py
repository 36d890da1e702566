"""Files that a step or a trainer's Pillow stumbles over."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from edit_runs import edit, noise, opened, saved, step, turned
from images.tiny_pictures import chunk
from PIL import Image, PngImagePlugin

from datakit.images.measure import probe
from datakit.images.pngchunks import PLAIN_TEXT_BYTES, TEXT_BYTES

EXIF = chunk(b"eXIf", turned(6).tobytes()[6:])
PICTURE = noise(16, 12)


def text(num_bytes: int) -> bytes:
    return chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * num_bytes))


def with_chunks(*, before: bytes = b"", after: bytes = b"") -> bytes:
    data = saved(PICTURE)
    pixels, end = data.index(b"IDAT") - 4, data.index(b"IEND") - 4
    return data[:pixels] + before + data[pixels:end] + after + data[end:]


def read_plainly(data: bytes) -> Image.Image:
    """As a trainer reads it, whose Pillow has its own limits."""
    limits = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = 1 << 20, 64 << 20
    try:
        return opened(data)
    finally:
        PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = limits


BOMBS = {
    "before": with_chunks(before=text(TEXT_BYTES + 1)),
    "behind": with_chunks(after=text(TEXT_BYTES + 1)),
    "that dsk reads": with_chunks(before=text(PLAIN_TEXT_BYTES + 1)),
    "many": with_chunks(before=text(PLAIN_TEXT_BYTES) * 65),
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_texts_that_a_trainer_refuses_go_and_the_pixels_stay_as_encoded(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"Decompressed data too large|Too much memory"):
        read_plainly(data)
    product = edit(data)
    assert product.facts["done"] == ["stripped of overlong texts"]
    assert product.image is not None
    assert read_plainly(product.image).tobytes() == PICTURE.tobytes()
    assert product.extension == "png"
    assert product.image == edit(data).image


def test_texts_that_a_trainer_reads_stay() -> None:
    workflow = chunk(b"tEXt", b"workflow\0" + b"a" * (PLAIN_TEXT_BYTES + 1))
    data = with_chunks(before=workflow + text(PLAIN_TEXT_BYTES))
    assert read_plainly(data).size == PICTURE.size
    assert edit(data).image is None


@pytest.mark.parametrize("after", [text(TEXT_BYTES + 1) + EXIF, EXIF + text(TEXT_BYTES + 1)])
def test_a_rotation_beside_a_bomb_is_carried_out(after: bytes) -> None:
    data = with_chunks(after=after)
    assert probe(data, pixels=False).oriented_size_px == (12, 16)
    assert opened(edit(data).image).tobytes() == PICTURE.transpose(Image.Transpose.ROTATE_270).tobytes()


def test_a_rotation_as_imagemagick_writes_it_behind_the_pixels_is_carried_out() -> None:
    exif = turned(6).tobytes()
    profile = b"\nexif\n%8d\n%s\n" % (len(exif), exif.hex().encode())
    data = with_chunks(after=chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile)))
    assert opened(edit(data).image).size == (12, 16)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_picture_of_two_plain_halves_has_no_bars(axis: int) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[20:] = 255
    image = Image.fromarray(pixels if axis == 0 else pixels.transpose(1, 0, 2))
    assert step(saved(image), "crop-borders", max_loss=1.0).image is None


@pytest.mark.parametrize("levels_a_px", [0.25, 0.64, 1.4])
def test_a_sky_that_pales_is_no_bar(levels_a_px: float) -> None:
    column = (20 + levels_a_px * np.arange(160)).clip(0, 255).astype(np.uint8)
    sky = np.broadcast_to(column[:, None, None], (160, 50, 3))
    assert step(saved(Image.fromarray(sky.copy())), "crop-borders").image is None
    letterboxed = np.zeros((200, 50, 3), np.uint8)
    letterboxed[20:180] = 40 + sky // 2
    assert opened(step(saved(Image.fromarray(letterboxed)), "crop-borders").image).size == (50, 160)


def test_what_would_become_too_large_is_dropped_and_not_made() -> None:
    thin = saved(Image.new("RGB", (1, 12000)))
    facts = step(thin, "resize", to_px=16384, only="up").facts
    assert facts["failed"] == "too-large"
    assert "16384 x 196608000 px" in facts["reason"]


def test_an_animation_of_one_frame_is_stripped_of_its_metadata_alone() -> None:
    frame = saved(PICTURE, "WEBP", lossless=True)[12:]

    def part(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)

    canvas = bytes([0x02 | 0x08, 0, 0, 0, 15, 0, 0, 11, 0, 0])
    place = bytes([0, 0, 0, 0, 0, 0, 15, 0, 0, 11, 0, 0, 100, 0, 0, 0])
    body = b"WEBP" + part(b"VP8X", canvas) + part(b"ANIM", bytes(6)) + part(b"ANMF", place + frame)
    body += part(b"EXIF", turned(1).tobytes())
    product = step(b"RIFF" + struct.pack("<I", len(body)) + body, "strip-metadata")
    assert product.image is not None
    with Image.open(io.BytesIO(product.image)) as image:
        assert "exif" not in image.info
        assert image.convert("RGB").tobytes() == PICTURE.tobytes()
