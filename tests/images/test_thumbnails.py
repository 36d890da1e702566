"""Thumbnails: upright, bounded, transparent where the image is, and never made of what is no image."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from datakit.images.decode import UnreadableImage
from datakit.images.thumbnail import make_thumbnail


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def halves(mode: str, left: object, right: object, size: tuple[int, int] = (800, 400)) -> Image.Image:
    image = Image.new(mode, size, left)  # type: ignore[arg-type]
    image.paste(right, (size[0] // 2, 0, *size))  # type: ignore[arg-type]
    return image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_the_longer_side_is_bounded(kind: str) -> None:
    made = make_thumbnail(encoded(halves("RGB", "red", "blue"), kind))
    assert (made.size_px, made.original_px, made.transparent) == ((256, 128), (800, 400), False)
    with Image.open(io.BytesIO(made.data)) as image:
        assert image.format == "WEBP"
        red, green, blue = image.convert("RGB").getpixel((20, 60))  # type: ignore[misc]
    assert red > 200 > 60 > max(green, blue)


def test_a_small_image_is_not_made_larger() -> None:
    assert make_thumbnail(encoded(Image.new("L", (20, 10)), "PNG")).size_px == (20, 10)


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "JPEG"), ("RGBA", "PNG")])
def test_it_stands_upright(mode: str, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    colours = ((255, 0, 0), (0, 0, 255)) if mode == "RGB" else ((255, 0, 0, 255), (0, 0, 255, 120))
    made = make_thumbnail(encoded(halves(mode, *colours), kind, exif=exif))
    assert (made.size_px, made.original_px) == ((128, 256), (400, 800))
    with Image.open(io.BytesIO(made.data)) as image:
        assert image.convert("RGB").getpixel((60, 20))[0] > 200  # type: ignore[index]
    assert made.transparent == (mode == "RGBA")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_stays(mode: str) -> None:
    if mode == "P":
        data = encoded(halves("P", 0, 1), "GIF", transparency=0)
    else:
        data = encoded(halves("RGBA", (0, 0, 0, 0), (9, 9, 9, 255)).convert(mode), "PNG")
    made = make_thumbnail(data)
    assert made.transparent
    with Image.open(io.BytesIO(made.data)) as image:
        alpha = image.convert("RGBA").getchannel("A")
    assert (alpha.getpixel((20, 60)), alpha.getpixel((230, 60))) == (0, 255)


def test_an_alpha_channel_that_is_full_is_no_transparency() -> None:
    assert not make_thumbnail(encoded(Image.new("RGBA", (30, 30), (1, 2, 3, 255)), "PNG")).transparent


@pytest.mark.parametrize("data", [b"", b"<html>", encoded(halves("RGB", "red", "blue"), "PNG")[:900]])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImage):
        make_thumbnail(data)
