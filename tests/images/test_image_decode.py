from __future__ import annotations

import io
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_pictures import blocks, marked, png, saved

from datakit.errors import InputError
from datakit.images.decode import PIXEL_LIMIT, UnreadableImage, open_bounded
from datakit.images.measure import header, probe

JPEG = saved(blocks(), "JPEG")
PNG = saved(blocks())

UNREADABLE = {
    "empty": (b"", "empty"),
    "text": (b"hello", "not an image"),
    "web page": (b"<!DOCTYPE html><html></html>", "web page"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    "jpeg, half": (JPEG[: len(JPEG) // 2], "jpeg"),
    "jpeg, header only": (JPEG[:30], "jpeg"),
    "png, half": (PNG[: len(PNG) // 2], "png"),
    "png, signature only": (PNG[:8], "png"),
    "png, flipped byte": (PNG[:60] + bytes([PNG[60] ^ 0xFF]) + PNG[61:], "png"),
    "webp, half": (saved(blocks(), "WEBP")[:60], "webp"),
    "gif, half": (saved(blocks(), "GIF")[:60], "gif"),
    "bomb": (png((100_000, 100_000), 8, 2, b"\0"), "limit"),
    "between our limit and Pillow's": (png((20_000, 15_000), 8, 0, b"\0"), "20000 x 15000"),
}


@pytest.mark.parametrize(("data", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage) as caught:
        open_bounded(data)
    assert reason in caught.value.reason
    assert isinstance(caught.value, InputError)
    assert probe(data).unreadable == caught.value.reason


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_formats_are_known_by_content(file_format: str, tmp_path: Path) -> None:
    data = saved(blocks(), file_format)
    path = tmp_path / "wrong.jpg"
    path.write_bytes(data)
    image = open_bounded(data)
    assert image.size == (48, 32)
    assert image.convert("RGB").getpixel((8, 8))[0] > 200  # type: ignore[index]
    assert header(data) == header(path)
    assert (header(data).format, header(data).size_px) == (file_format.lower(), (48, 32))


def test_many_pixels_under_the_limit_are_read_without_a_warning() -> None:
    data = png((10_000, 9_500), 1, 0, b"\0" * (1251 * 9_500))
    assert 10_000 * 9_500 > 89_478_485  # Pillow's own limit
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert header(data).size_px == (10_000, 9_500)
        assert open_bounded(data).size == (10_000, 9_500)
    assert caught == []
    assert PIXEL_LIMIT > 10_000 * 9_500


def test_a_lower_limit() -> None:
    with pytest.raises(UnreadableImage, match="48 x 32 px is over the limit of 1,000 pixels"):
        open_bounded(PNG, limit_px=1000)


def test_header_of_a_missing_file_is_no_unreadable_image(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        header(tmp_path / "none.png")


def test_header_does_not_decode() -> None:
    assert header(JPEG[:-20]).size_px == (48, 32)


def test_a_multi_picture_jpeg_is_a_jpeg_and_no_animation() -> None:
    data = saved(blocks(), "MPO", save_all=True, append_images=[blocks()])
    facts = probe(data)
    assert (facts.unreadable, facts.format, facts.animated) == ("", "jpeg", False)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]), st.data())
def test_no_damage_escapes_as_another_error(file_format: str, data: st.DataObject) -> None:
    content = bytearray(saved(marked(), file_format))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))]
    facts = probe(bytes(content))
    assert facts.unreadable or facts.size_px > (0, 0)


def test_nothing_heavy_is_imported_and_nothing_printed() -> None:
    code = (
        "import sys, datakit.images.measure as m; assert 'numpy' not in sys.modules;"
        "from PIL import Image; before = Image.MAX_IMAGE_PIXELS; print(before);"
        "m.probe(sys.stdin.buffer.read())"
    )
    ran = subprocess.run([sys.executable, "-c", code], input=PNG[:200], capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert int(ran.stdout) == 89_478_485


def test_a_file_object_is_not_needed_after_decoding() -> None:
    image = open_bounded(PNG)
    assert isinstance(image, Image.Image)
    assert image.copy().tobytes() == Image.open(io.BytesIO(PNG)).tobytes()
