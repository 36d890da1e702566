from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tiny_pictures import (
    BLUE,
    GREEN,
    RED,
    WHITE,
    blocks,
    chunk,
    frames,
    marked,
    opened,
    pixels,
    png,
    saved,
    srgb_profile,
    swapped_profile,
    with_orientation,
)

from datakit.images.colour import format_colour, parse_colour
from datakit.images.convert import encode, to_srgb_rgb
from datakit.images.decode import open_bounded

MODES = ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"]
DEEP = ["I", "F", "I;16", "I;16L", "I;16B", "I;16N"]


def converted(data: bytes, background: tuple[int, int, int] = WHITE) -> Image.Image:
    return to_srgb_rgb(open_bounded(data), background=background)


@pytest.mark.parametrize("mode", MODES + DEEP)
def test_every_mode_becomes_rgb_of_its_size(mode: str) -> None:
    image = to_srgb_rgb(Image.new(mode, (3, 2)), background=GREEN)
    assert (image.mode, image.size, image.info) == ("RGB", (3, 2), {})


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBX", "P", "PA", "HSV"])
def test_opaque_colours_are_kept(mode: str) -> None:
    source = marked().convert("RGBA").convert("P").convert("PA") if mode == "PA" else marked(mode)
    near = zip(pixels(to_srgb_rgb(source, background=GREEN)), pixels(source.convert("RGB")), strict=True)
    assert all(got == wanted for got, wanted in near)


@pytest.mark.parametrize("mode", ["LAB", "CMYK", "YCbCr"])
def test_other_colour_spaces_keep_their_colours(mode: str) -> None:
    image = Image.new("RGB", (3, 1), (200, 100, 50))
    image.putpixel((1, 0), (30, 60, 90))
    image.putpixel((2, 0), (240, 240, 230))
    got = to_srgb_rgb(image.convert(mode), background=GREEN)
    pairs = zip(got.tobytes(), image.tobytes(), strict=True)
    assert max(abs(a - b) for a, b in pairs) <= 4


def hidden_red(file_format: str) -> bytes:
    """One red pixel under alpha 0, one opaque blue."""
    image = Image.new("RGBA", (2, 1), (*RED, 0))
    image.putpixel((1, 0), (*BLUE, 255))
    return saved(image, file_format, **({"lossless": True, "exact": True} if file_format == "WEBP" else {}))


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("background", [WHITE, (0, 0, 0), (12, 34, 56)])
def test_hidden_colour_never_shows(file_format: str, background: tuple[int, int, int]) -> None:
    data = hidden_red(file_format)
    assert opened(data).getpixel((0, 0)) == (*RED, 0)
    assert pixels(converted(data, background)) == [background, BLUE]


def test_half_transparent_is_mixed() -> None:
    assert pixels(converted(saved(Image.new("RGBA", (1, 1), (255, 0, 0, 128))), (0, 0, 255))) == [(128, 0, 127)]


def test_premultiplied_modes() -> None:
    veiled = Image.new("RGBA", (1, 1), (200, 100, 0, 128))
    assert pixels(to_srgb_rgb(veiled.convert("RGBa"), background=WHITE))[0] == pytest.approx((227, 177, 127), abs=2)
    grey = Image.new("LA", (1, 1), (200, 0))
    assert pixels(to_srgb_rgb(grey.convert("La"), background=GREEN)) == [GREEN]


def test_grey_with_alpha() -> None:
    image = Image.new("LA", (2, 1), (10, 0))
    image.putpixel((1, 0), (77, 255))
    assert pixels(converted(saved(image), GREEN)) == [GREEN, (77, 77, 77)]


def palette_image() -> Image.Image:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    for x in range(3):
        image.putpixel((x, 0), x)
    return image


def test_palette_with_one_transparent_entry() -> None:
    assert pixels(converted(saved(palette_image(), transparency=0))) == [WHITE, GREEN, BLUE]
    assert pixels(converted(saved(palette_image(), "GIF", transparency=0))) == [WHITE, GREEN, BLUE]


def test_palette_with_partial_transparency() -> None:
    data = saved(palette_image(), transparency=bytes([0, 255, 128]))
    assert pixels(converted(data, (0, 0, 0))) == [(0, 0, 0), GREEN, (0, 0, 128)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (saved(marked(), transparency=RED), [WHITE, *pixels(marked())[1:]]),
        (png((2, 1), 8, 0, b"\0\x07\x09", extra=chunk(b"tRNS", b"\0\x07")), [WHITE, (9, 9, 9)]),
        (png((2, 1), 1, 0, b"\0\x40", extra=chunk(b"tRNS", b"\0\x00")), [WHITE, WHITE]),
        (png((2, 1), 2, 0, b"\0\x10", extra=chunk(b"tRNS", b"\0\x01")), [(0, 0, 0), WHITE]),
        (png((2, 1), 4, 0, b"\0\x0d", extra=chunk(b"tRNS", b"\0\x0d")), [(0, 0, 0), WHITE]),
        (
            png((2, 1), 16, 0, b"\0" + struct.pack(">2H", 0x1234, 0x1235), extra=chunk(b"tRNS", b"\x12\x34")),
            [WHITE, (0x12, 0x12, 0x12)],
        ),
        (
            png(
                (2, 1),
                16,
                2,
                b"\0" + struct.pack(">6H", 0x1234, 1, 2, 0xFFFF, 0, 0),
                extra=chunk(b"tRNS", struct.pack(">3H", 0x1234, 1, 2)),
            ),
            [WHITE, RED],
        ),
    ],
    ids=["rgb", "grey 8", "grey 1", "grey 2", "grey 4", "grey 16", "rgb 16"],
)
def test_transparent_key_colours(data: bytes, expected: list[tuple[int, int, int]]) -> None:
    assert pixels(converted(data)) == expected


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_orientation_is_carried_out(orientation: int, file_format: str) -> None:
    options = {"lossless": True} if file_format == "WEBP" else {}
    upright = pixels(marked())
    stored = Image.new("RGB", (3, 2) if orientation < 5 else (2, 3))
    for index, colour in enumerate(upright):
        stored.putpixel(_stored_at(index % 3, index // 3, orientation), colour)
    if file_format == "JPEG":
        width, height = stored.size
        large = stored.resize((width * 16, height * 16), Image.Resampling.NEAREST)
        image = converted(saved(large, "JPEG", quality=100, subsampling=0, exif=with_orientation(orientation)))
        got = [image.getpixel((x * 16 + 8, y * 16 + 8)) for y in range(2) for x in range(3)]
        assert image.size == (48, 32)
    else:
        image = converted(saved(stored, file_format, exif=with_orientation(orientation), **options))
        got = pixels(image)
        assert image.size == (3, 2)
    assert got == [pytest.approx(colour, abs=4) for colour in upright]


def _stored_at(x: int, y: int, orientation: int) -> tuple[int, int]:
    """Where the upright pixel (x, y) of a 3 x 2 px picture lies in the file (Exif 2.32: 0th row, 0th column)."""
    right, bottom = 2 - x, 1 - y
    return {
        1: (x, y), 2: (right, y), 3: (right, bottom), 4: (x, bottom),
        5: (y, x), 6: (y, right), 7: (bottom, right), 8: (bottom, x),
    }[orientation]  # fmt: skip


def test_orientation_agrees_with_pillow() -> None:
    for orientation in range(1, 9):
        data = saved(marked(), exif=with_orientation(orientation))
        assert pixels(converted(data)) == pixels(ImageOps.exif_transpose(opened(data)))


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = [0, 100, 257, 10_000, 32_768, 65_407, 65_535]
    data = png((len(ramp), 1), 16, 0, b"\0" + struct.pack(f">{len(ramp)}H", *ramp))
    assert [pixel[0] for pixel in pixels(converted(data))] == [round(value / 257) for value in ramp]


@pytest.mark.parametrize(
    ("mode", "values", "grey"),
    [
        ("I", [0, 32768, 65535], [0, 128, 255]),
        ("I", [-100, 0, 100], [0, 128, 255]),
        ("I", [0, 50_000, 100_000], [0, 128, 255]),
        ("F", [0.0, 0.5, 1.0], [0, 128, 255]),
        ("F", [0.0, 77.0, 200.0], [0, 77, 200]),
        ("F", [-1.0, 0.0, 1.0], [0, 128, 255]),
        ("F", [5000.0, 5000.0, 5000.0], [0, 0, 0]),
    ],
)
def test_deep_modes(mode: str, values: list[float], grey: list[int]) -> None:
    image = Image.new(mode, (3, 1))
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    assert [pixel[0] for pixel in pixels(converted(saved(image, "TIFF")))] == grey


def test_a_foreign_profile_is_applied_under_alpha_too() -> None:
    image = Image.new("RGBA", (2, 1), (*RED, 255))
    image.putpixel((1, 0), (*RED, 0))
    assert pixels(to_srgb_rgb(image, background=GREEN)) == [RED, GREEN]
    swapped = pixels(converted(saved(image, icc_profile=swapped_profile()), GREEN))
    assert swapped[0] == pytest.approx(BLUE, abs=2)
    assert swapped[1] == GREEN


@pytest.mark.parametrize("profile", [srgb_profile(), b"broken", srgb_profile()[:300]])
def test_srgb_and_broken_profiles_change_nothing(profile: bytes) -> None:
    assert pixels(converted(saved(marked(), icc_profile=profile))) == pixels(marked())


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation(file_format: str) -> None:
    first, *rest = frames()
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = saved(first, file_format, save_all=True, append_images=rest, duration=100, **options)
    assert set(pixels(converted(data))) == {RED}


@pytest.mark.parametrize("extension", ["png", "webp"])
def test_files_are_lossless_reproducible_and_bare(extension: str) -> None:
    data = saved(blocks(), "PNG", icc_profile=srgb_profile(), dpi=(72, 72), exif=with_orientation(1))
    image = open_bounded(data)
    file = encode(image, extension)  # type: ignore[arg-type]
    assert file == encode(open_bounded(data), extension)  # type: ignore[arg-type]
    again = opened(file)
    assert pixels(again) == pixels(blocks())
    assert not {"icc_profile", "exif", "dpi", "transparency"} & again.info.keys()
    assert "icc_profile" in image.info


def test_the_source_is_left_as_it_was() -> None:
    image = open_bounded(saved(marked(), transparency=RED, icc_profile=srgb_profile()))
    before = image.tobytes(), dict(image.info)
    to_srgb_rgb(image, background=WHITE)
    assert (image.tobytes(), image.info) == before


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=16, max_size=16), st.tuples(*[st.integers(0, 255)] * 3))
def test_only_alpha_decides_what_shows(content: bytes, background: tuple[int, int, int]) -> None:
    image = Image.frombytes("RGBA", (4, 1), content)
    for source, shown in zip(pixels(image), pixels(to_srgb_rgb(image, background=background)), strict=True):
        for value, behind, result in zip(source[:3], background, shown, strict=True):
            assert abs(result - (value * source[3] + behind * (255 - source[3])) / 255) <= 1


@pytest.mark.parametrize(
    ("text", "colour"),
    [("#fff", WHITE), ("#0000FF", BLUE), (" Red ", RED), ("lime", GREEN), ("#7f8081", (127, 128, 129))],
)
def test_colours(text: str, colour: tuple[int, int, int]) -> None:
    assert parse_colour(text) == colour
    assert parse_colour(format_colour(colour)) == colour


@pytest.mark.parametrize("text", ["", "#ff", "#ffffff00", "whit", "rgb(1,2,3)", "ffffff", "#ggg"])
def test_what_is_no_colour(text: str) -> None:
    with pytest.raises(ValueError, match="is no colour"):
        parse_colour(text)
