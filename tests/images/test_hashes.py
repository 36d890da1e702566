"""Perceptual hashes: imagehash's bits, the mirrored image's bits, and what must not change them."""

from __future__ import annotations

import io
import random

import imagehash
import msgspec
import numpy as np
import pytest
from PIL import Image, ImageOps

from datakit.images.decode import UnreadableImage
from datakit.images.hashes import Hashes, from_facts, hash_file, hashes_of, to_facts


def picture(seed: int, size_px: tuple[int, int] = (640, 480)) -> Image.Image:
    draw = random.Random(seed)
    return Image.frombytes("RGB", (8, 6), draw.randbytes(144)).resize(size_px, Image.Resampling.BICUBIC)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def apart(one: int, other: int) -> int:
    return (one ^ other).bit_count()


@pytest.mark.parametrize("seed", range(20))
def test_the_bits_are_those_of_imagehash(seed: int) -> None:
    image = picture(seed)
    found = hashes_of(image)
    assert apart(found.phash, int(str(imagehash.phash(image)), 16)) <= 2
    assert apart(found.dhash, int(str(imagehash.dhash(image)), 16)) <= 2
    small = picture(seed, (120, 100))  # nothing is made small first
    assert hashes_of(small).phash == int(str(imagehash.phash(small)), 16)
    assert hashes_of(small).dhash == int(str(imagehash.dhash(small)), 16)


@pytest.mark.parametrize("seed", range(10))
def test_the_mirrored_hashes_are_those_of_the_mirrored_image(seed: int) -> None:
    found, mirrored = hashes_of(picture(seed)), hashes_of(ImageOps.mirror(picture(seed)))
    assert apart(found.phash_mirrored, mirrored.phash) <= 2
    assert apart(found.dhash_mirrored, mirrored.dhash) <= 2
    assert apart(found.phash, mirrored.phash) > 8


def test_a_jpeg_that_is_decoded_small_has_the_hash_of_the_whole() -> None:
    data = saved(picture(3, (1600, 1200)), "JPEG", quality=90)
    whole = hashes_of(Image.open(io.BytesIO(data)))
    assert apart(hash_file(data).phash, whole.phash) <= 2
    assert apart(hash_file(data).dhash, whole.dhash) <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_hashed_upright(orientation: int) -> None:
    image = picture(5)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(image, "PNG", exif=exif)
    upright = hashes_of(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert apart(hash_file(data).phash, upright.phash) <= 2
    assert apart(hash_file(data).dhash, upright.dhash) <= 2


def test_what_is_hidden_under_transparency_plays_no_part() -> None:
    one, other = picture(1).convert("RGBA"), picture(2).convert("RGBA")
    mask = Image.new("L", one.size)
    shape = picture(4, (300, 300)).convert("RGBA")
    for image in (one, other):
        image.putalpha(mask)
        image.alpha_composite(shape, (100, 50))
    white = Image.new("RGB", one.size, "white")
    white.paste(shape, (100, 50))
    assert apart(hashes_of(one).phash, hashes_of(white).phash) <= 2
    first, second = (hash_file(saved(image, "WEBP", lossless=True, exact=True)) for image in (one, other))
    assert first == second


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_is_hashed(mode: str) -> None:
    grey = picture(6).convert("L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        image = grey.convert("P").convert("PA") if mode == "PA" else grey.convert(mode)
    assert apart(hashes_of(image).phash, hashes_of(grey).phash) <= 8


@pytest.mark.parametrize("size_px", [(1, 1), (1, 3000), (3000, 1), (33, 31)])
def test_sizes_that_hardly_are_any(size_px: tuple[int, int]) -> None:
    found = hashes_of(Image.new("RGB", size_px, (10, 200, 30)))
    assert found.detail == 0
    assert found.dhash == 0


def test_one_colour_is_like_another_and_says_that_it_is_flat() -> None:
    red, blue = (hashes_of(Image.new("RGB", (400, 300), colour)) for colour in ("red", "blue"))
    assert msgspec.structs.replace(red, cells=b"") == msgspec.structs.replace(blue, cells=b"")
    assert red.detail == 0
    assert hashes_of(picture(1)).detail > 20


def test_facts_come_back() -> None:
    found = hashes_of(picture(1))
    assert from_facts(to_facts(found)) == found
    assert set(to_facts(found)) == set(Hashes.__struct_fields__)
    assert from_facts({"unreadable": "empty"}) is None
    assert from_facts(dict.fromkeys(Hashes.__struct_fields__, "no number")) is None


@pytest.mark.parametrize("data", [b"", b"no image", saved(picture(1), "JPEG")[:500], saved(picture(1), "PNG")[:5000]])
def test_bad_bytes_are_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableImage):
        hash_file(data)
