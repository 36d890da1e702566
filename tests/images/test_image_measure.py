from __future__ import annotations

import struct

import pytest
from PIL import Image
from tiny_pictures import (
    RED,
    blocks,
    chunk,
    frames,
    marked,
    png,
    saved,
    srgb_profile,
    swapped_profile,
    with_orientation,
)

from datakit.images.measure import probe

OPAQUE = Image.new("RGBA", (4, 4), (*RED, 255))
VEILED = Image.new("RGBA", (4, 4), (*RED, 254))


def keyed(mode: str) -> bytes:
    return saved(Image.new(mode, (4, 4)), transparency=(0, 0, 0) if mode == "RGB" else 0)


@pytest.mark.parametrize(
    ("data", "mode", "has_alpha", "transparent"),
    [
        (saved(marked()), "RGB", False, False),
        (saved(OPAQUE), "RGBA", True, False),
        (saved(VEILED), "RGBA", True, True),
        (saved(VEILED.convert("LA")), "LA", True, True),
        (saved(marked("P")), "P", False, False),
        (keyed("P"), "P", True, True),
        (keyed("L"), "L", True, True),
        (keyed("RGB"), "RGB", True, True),
        (keyed("1"), "1", True, True),
        (keyed("I;16"), "I;16", True, True),
        (saved(VEILED, "WEBP", lossless=True), "RGBA", True, True),
        (saved(marked("CMYK"), "JPEG"), "CMYK", False, False),
    ],
)
def test_transparency(data: bytes, mode: str, has_alpha: bool, transparent: bool) -> None:
    facts = probe(data)
    assert (facts.mode, facts.has_alpha, facts.transparent) == (mode, has_alpha, transparent)
    assert facts.unreadable == ""


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(file_format: str, orientation: int) -> None:
    data = saved(blocks(), file_format, exif=with_orientation(orientation))
    for facts in (probe(data), probe(data, pixels=False)):
        assert facts.orientation == orientation
        assert facts.size_px == (48, 32)
        assert facts.oriented_size_px == ((32, 48) if orientation >= 5 else (48, 32))


def test_exif_behind_the_pixels_is_seen() -> None:
    data = saved(marked())
    exif = with_orientation(6).tobytes().removeprefix(b"Exif\0\0")
    end = data.index(b"IEND") - 4
    assert probe(data[:end] + chunk(b"eXIf", exif) + data[end:]).orientation == 6


@pytest.mark.parametrize("value", [0, 9, 77])
def test_senseless_orientation_is_upright(value: int) -> None:
    assert probe(saved(blocks(), "JPEG", exif=with_orientation(value))).orientation == 1


def test_broken_exif_is_upright() -> None:
    facts = probe(saved(blocks(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"))
    assert (facts.orientation, facts.unreadable) == (1, "")


@pytest.mark.parametrize(
    ("image", "profile", "verdict"),
    [
        (marked(), None, "none"),
        (marked(), srgb_profile(), "srgb"),
        (marked("L"), srgb_profile(), "srgb"),
        (marked("P"), srgb_profile(), "srgb"),
        (marked(), swapped_profile(), "other"),
        (VEILED, swapped_profile(), "other"),
        (marked(), b"no profile at all", "broken"),
        (marked(), srgb_profile()[:200], "broken"),
    ],
)
def test_profiles(image: Image.Image, profile: bytes | None, verdict: str) -> None:
    assert probe(saved(image, icc_profile=profile)).icc == verdict


def test_a_profile_of_other_channels_is_broken() -> None:
    assert probe(saved(marked("CMYK"), "JPEG", icc_profile=srgb_profile())).icc == "broken"


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animations(file_format: str) -> None:
    first, *rest = frames()
    moving = saved(first, file_format, save_all=True, append_images=rest, duration=100)
    assert probe(moving).animated is True
    assert probe(moving, pixels=False).animated is True
    assert probe(saved(first, file_format)).animated is False


@pytest.mark.parametrize(
    ("data", "bits"),
    [
        (saved(marked()), 8),
        (saved(Image.new("I;16", (2, 2))), 16),
        (png((1, 1), 16, 2, b"\0" + struct.pack(">3H", 1, 2, 3)), 16),
        (saved(Image.new("1", (2, 2))), 1),
        (saved(Image.new("F", (2, 2)), "TIFF"), 32),
        (saved(marked(), "TIFF"), 8),
        (saved(blocks(), "JPEG"), 8),
    ],
)
def test_bits(data: bytes, bits: int) -> None:
    assert probe(data).bits == bits


def test_what_is_known_of_a_truncated_image_is_told() -> None:
    data = saved(blocks(), "JPEG")
    facts = probe(data[:-20])
    assert facts.unreadable
    assert (facts.format, facts.size_px) == ("jpeg", (48, 32))
    assert probe(data[:-20], pixels=False).unreadable == ""
