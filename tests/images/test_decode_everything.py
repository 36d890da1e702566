"""Every odd image through `probe` and through the stages filtered and edited: a right picture or a right reason."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from tiny_pictures import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    blocks,
    chunk,
    frames,
    marked,
    pixels,
    png,
    saved,
    swapped_profile,
    with_orientation,
)

from datakit.actions.advancing import advance
from datakit.actions.project import Project
from datakit.images.decode import open_bounded
from datakit.images.measure import probe
from datakit.repo.stagetree import read_lock

SETTINGS = "[filtered.too-small]\nmin_side_px = 1\n"
MARKED = pixels(marked())
LONG = zlib.compress(b"x" * (9 << 20))
"""Unpacks to more than a text or a profile may."""


def with_texts(*chunks: bytes, behind: bytes = b"") -> bytes:
    """`marked` with chunks before, or behind, its pixels."""
    data = saved(marked())
    head, body, end = data[:33], data[33:-12], data[-12:]
    return head + b"".join(chunks) + body + behind + end


def grey16() -> bytes:
    return png((3, 1), 16, 0, b"\0" + struct.pack(">3H", 0, 257 * 100, 65535))


def rgb16() -> bytes:
    return png((2, 1), 16, 2, b"\0" + struct.pack(">6H", 65535, 0, 0, 0, 0, 65535))


def clear(mode: str) -> bytes:
    """One pixel with colour hidden under alpha 0, one opaque."""
    image = Image.new("RGBA", (2, 1), (*RED, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    return saved(image.convert(mode))


def palette(transparency: int | bytes) -> bytes:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    for x in range(3):
        image.putpixel((x, 0), x)
    return saved(image, transparency=transparency)


def animated(file_format: str) -> bytes:
    first, *rest = frames()
    options = {"lossless": True} if file_format == "WEBP" else {"quality": 100} if file_format == "AVIF" else {}
    return saved(first, file_format, save_all=True, append_images=rest, duration=100, **options)


PICTURES: dict[str, tuple[bytes, list[tuple[int, ...]]]] = {
    "16-bit grey": (grey16(), [(0, 0, 0), (100, 100, 100), WHITE]),
    "16-bit rgb": (rgb16(), [RED, BLUE]),
    "grey with alpha": (clear("LA"), [WHITE, (0, 0, 0)]),
    "rgba": (clear("RGBA"), [WHITE, (0, 0, 0)]),
    "palette, one clear": (palette(0), [WHITE, GREEN, BLUE]),
    "palette, alpha": (palette(bytes([0, 255, 255])), [WHITE, GREEN, BLUE]),
    "cmyk": (saved(Image.new("CMYK", (1, 1), (0, 255, 255, 0)), "TIFF"), [RED]),
    "profile": (saved(Image.new("RGB", (1, 1), RED), icc_profile=swapped_profile()), [BLUE]),
    "webp": (saved(marked(), "WEBP", lossless=True), MARKED),
    "avif": (saved(marked(), "AVIF", quality=100, subsampling="4:4:4"), MARKED),
    "tiff": (saved(marked(), "TIFF"), MARKED),
    "bmp": (saved(marked(), "BMP"), MARKED),
    "turned": (saved(marked().transpose(Image.Transpose.ROTATE_90), exif=with_orientation(6)), MARKED),
    "turned tiff": (saved(marked().transpose(Image.Transpose.ROTATE_90), "TIFF", exif=with_orientation(6)), MARKED),
    "turned avif": (
        saved(
            marked().transpose(Image.Transpose.ROTATE_90),
            "AVIF",
            quality=100,
            subsampling="4:4:4",
            exif=with_orientation(6),
        ),
        MARKED,
    ),
    "animated gif": (animated("GIF"), [RED] * 256),
    "animated webp": (animated("WEBP"), [RED] * 256),
    "animated png": (animated("PNG"), [RED] * 256),
    "animated avif": (animated("AVIF"), [RED] * 256),
    "huge text": (with_texts(chunk(b"tEXt", b"prompt\0" + b"x" * (3 << 20))), MARKED),
    "too many texts": (with_texts(*[chunk(b"tEXt", b"a%d\0" % n + b"x" * (9 << 20)) for n in range(8)]), MARKED),
    "text bomb": (with_texts(chunk(b"zTXt", b"prompt\0\0" + LONG)), MARKED),
    "text bomb behind": (with_texts(behind=chunk(b"zTXt", b"prompt\0\0" + LONG)), MARKED),
    "unicode text bomb": (with_texts(chunk(b"iTXt", b"prompt\0\1\0\0\0" + LONG)), MARKED),
    "profile bomb": (with_texts(chunk(b"iCCP", b"icc\0\0" + LONG)), MARKED),
    "broken text": (with_texts(chunk(b"zTXt", b"prompt\0\0no zlib")), MARKED),
}
UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "truncated jpeg": (saved(blocks(), "JPEG")[:-200], "truncated or damaged jpeg"),
    "truncated png": (saved(blocks())[:-30], "truncated or damaged png"),
    "truncated before a text bomb": (
        with_texts(behind=chunk(b"zTXt", b"prompt\0\0" + LONG)).replace(b"IDAT", b"IDAX"),
        "truncated or damaged png",
    ),
    "truncated avif": (saved(blocks(), "AVIF")[:-20], "truncated or damaged avif"),
    "web page": (b"<html><body>404", "not an image but a web page"),
    "too many pixels": (png((65_000, 65_000), 1, 0, b"\0"), "over the limit of 200,000,000 pixels"),
    "a few too many pixels": (png((20_000, 15_000), 1, 0, b"\0"), "20000 x 15000 px is over the limit"),
}


@pytest.mark.parametrize(("data", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_right_reason(data: bytes, reason: str) -> None:
    assert probe(data).unreadable.startswith(reason)


@pytest.mark.parametrize("data", [data for data, _ in PICTURES.values()], ids=PICTURES)
def test_a_right_picture_has_facts(data: bytes) -> None:
    facts = probe(data)
    assert (facts.unreadable, facts.size_px > (0, 0)) == ("", True)


def test_all_of_them_through_the_stages(empty: Project) -> None:
    root = empty.dataset.root
    (root / "dsk.toml").write_text(SETTINGS)
    folder = root / "raw/odd"
    folder.mkdir(parents=True)
    for number, (data, _) in enumerate([*PICTURES.values(), *UNREADABLE.values()]):
        (folder / f"{number:03}.{'png' if number % 2 else 'jpg'}").write_bytes(data)  # wrong for most of them
    advance(empty, "edited")
    for number, (name, (_, expected)) in enumerate(PICTURES.items()):
        (path,) = (root / "edited/odd").glob(f"{number:03}.*")
        _assert_shows(path, expected, name)
    lock = read_lock(empty.dataset, empty.dataset.head_tree, "filtered")
    assert lock is not None
    for number, (name, (_, reason)) in enumerate(UNREADABLE.items(), len(PICTURES)):
        drop = lock.dropped[f"odd/{number:03}"]
        assert (drop.rule, drop.reason.startswith(reason)) == ("unreadable", True), (name, drop)


def _assert_shows(path: Path, expected: list[tuple[int, ...]], name: str) -> None:
    image = open_bounded(path.read_bytes())
    assert image.mode == "RGB", name
    for got, wanted in zip(pixels(image), expected, strict=True):
        assert got == pytest.approx(wanted, abs=6), name
