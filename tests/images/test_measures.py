"""What is measured of images, against the same said in plain numpy over all pixels."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin

from datakit.images.looks import MEASURED, PIXELS, answer
from datakit.images.measures.borders import bars
from datakit.images.measures.generated import generator
from datakit.images.measures.jpeg import jpeg_quality
from datakit.images.measures.pixels import pixel_digest
from datakit.images.measures.sampling import sample_lines
from datakit.images.measures.tones import tones

STEPS = "1girl\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
COMFY = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 1}}})


def saved(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def facts(data: bytes) -> dict[str, Any]:
    (product,) = answer(data, [MEASURED])
    return product.facts


def noise(size: tuple[int, int] = (90, 70), seed: int = 1) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values)


def shapes(size: tuple[int, int] = (640, 480)) -> Image.Image:
    image = Image.new("RGB", size, "#eadfca")
    pen = ImageDraw.Draw(image)
    for at in range(20, size[0] - 80, 35):
        pen.ellipse((at, 30 + at % 150, at + 60, 90 + at % 150 + at % 40), fill=(at % 256, 60, 240 - at % 200))
    return image


def level(values: np.ndarray[Any, Any], share: float) -> float:
    """The lowest value that this share of all do not exceed."""
    return float(np.sort(values)[int(np.ceil(share * len(values))) - 1])


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=300))
@settings(max_examples=60, deadline=None)
def test_tones_are_what_their_definitions_say(colours: list[tuple[int, int, int]]) -> None:
    pixels = np.array(colours, np.uint8)
    found = tones(pixels)
    red, green, blue = pixels.astype(float).T
    grey = np.floor(0.299 * red + 0.587 * green + 0.114 * blue + 0.5)
    assert found.brightness == pytest.approx(grey.mean() / 255, abs=0.006)
    assert found.darkest * 255 == pytest.approx(level(grey, 0.01), abs=1.1)
    assert found.lightest * 255 == pytest.approx(level(grey, 0.99), abs=1.1)
    _, numbers = np.unique(grey, return_counts=True)
    shares = numbers / numbers.sum()
    if (np.abs((0.299 * red + 0.587 * green + 0.114 * blue) % 1 - 0.5) > 1e-3).all():  # no grey between two levels
        assert found.entropy_bits == pytest.approx(-(shares * np.log2(shares)).sum(), abs=0.05)
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    colourful = np.hypot(red_green.std(), yellow_blue.std()) + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean())
    assert found.colourfulness == pytest.approx(colourful, abs=0.02)
    assert found.chroma == level(pixels.max(axis=1).astype(int) - pixels.min(axis=1), 0.99)
    singular = np.linalg.svd(np.stack([red_green, yellow_blue], axis=1), compute_uv=False)
    second = singular[1] if len(singular) > 1 else 0.0
    assert found.hues == pytest.approx(second / np.sqrt(len(pixels)), abs=0.3)
    _, cells = np.unique(pixels // 16, axis=0, return_counts=True)
    assert found.main_colour == pytest.approx(cells.max() / len(pixels), abs=1e-4)


def test_what_is_sampled_is_true_of_the_whole() -> None:
    image = shapes((1400, 1100))
    found = facts(saved(image))
    whole = tones(np.asarray(image).reshape(-1, 3)[::1])
    grey = np.asarray(image.convert("L"), float)
    assert found["brightness"] == pytest.approx(grey.mean() / 255, abs=0.01)
    assert found["main_colour"] == pytest.approx(whole.main_colour, abs=0.01)
    assert found["entropy_bits"] == pytest.approx(whole.entropy_bits, abs=0.15)


def test_lines_are_whole_rows_and_columns() -> None:
    image = noise((200, 150))
    pixels = np.asarray(image)
    lines = sample_lines(image)
    assert lines.rows.shape[1:] == (200, 3)
    assert lines.columns.shape[1:] == (150, 3)
    assert {row.tobytes() for row in lines.rows} <= {row.tobytes() for row in pixels}
    assert {line.tobytes() for line in lines.columns} <= {pixels[:, x].tobytes() for x in range(200)}
    assert lines.visible is None


def slope(image: Image.Image) -> float:
    """90th percentile of a steepest step by the height over the 8 px around it, over all rows and columns."""
    grey = np.asarray(image.convert("L"), int)
    steep, high = [], []
    for lines in (grey, grey.T):
        for line in lines:
            for at in range(len(line) - 8):
                part = line[at : at + 9]
                differences = np.abs(np.diff(part))
                if differences.max() == max(differences[3:5]):
                    high.append(part.max() - part.min())
                    steep.append(differences.max())
    heights, steps = np.array(high), np.array(steep)
    least = max(16, 0.4 * np.quantile(heights[heights >= 16], 0.995))
    chosen = heights >= least
    return float(np.quantile(steps[chosen] / heights[chosen], 0.9))


@pytest.mark.parametrize("radius_px", [0, 1, 2, 3])
def test_sharpness_is_the_slope_of_the_best_edges(radius_px: int) -> None:
    image = shapes((320, 240)).filter(ImageFilter.GaussianBlur(radius_px))
    assert facts(saved(image))["sharpness"] == pytest.approx(slope(image), abs=0.04)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0])
def test_sharpness_of_a_step_under_a_blur(sigma: float) -> None:
    """The steepest pixel of a Gaussian's integral is about 0.4 / sigma of its height."""
    image = Image.new("L", (300, 300), 40)
    image.paste(210, (150, 0, 300, 300))
    blurred = image.filter(ImageFilter.GaussianBlur(sigma))
    found = facts(saved(blurred.convert("RGB")))["sharpness"]
    assert found == pytest.approx(0.4 / sigma, rel=0.25)


def test_contrast_and_flat_ground_leave_sharpness_as_it_is() -> None:
    image = shapes()
    pale = Image.blend(image, Image.new("RGB", image.size, "white"), 0.6)
    small = Image.new("RGB", (1200, 900), "white")
    small.paste(image.crop((0, 0, 200, 200)), (500, 300))
    assert [facts(saved(one))["sharpness"] for one in (image, pale, small)] == [1.0, 1.0, 1.0]
    assert facts(saved(Image.new("RGB", (400, 400), "teal")))["sharpness"] is None


def test_a_large_image_is_judged_as_it_looks_at_a_megapixel() -> None:
    image = shapes((640, 480)).filter(ImageFilter.GaussianBlur(2))
    large = image.resize((2560, 1920), Image.Resampling.BICUBIC)
    at_a_megapixel = large.resize((1182, 887), Image.Resampling.BICUBIC)
    found = [facts(saved(one))["sharpness"] for one in (large, at_a_megapixel)]
    assert found[0] == pytest.approx(found[1], rel=0.25)


@given(st.tuples(*[st.integers(0, 30)] * 4), st.integers(1, 8), st.sampled_from(["black", "white", "#404048"]))
@settings(max_examples=40, deadline=None)
def test_bars_are_found_to_the_pixel_however_the_image_is_turned(
    sides: tuple[int, int, int, int], orientation: int, colour: str
) -> None:
    left, top, right, bottom = sides
    photo = noise((160, 140))
    upright = Image.new("RGB", (160 + left + right, 140 + top + bottom), colour)
    upright.paste(photo, (left, top))
    back = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # from upright to stored
    stored = upright if back is None else upright.transpose(Image.Transpose(back))
    lines = sample_lines(stored)
    assert bars(lines.rows, lines.columns, orientation) == sides


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_bars_are_those_that_are_found_line_by_line(seed: int) -> None:
    draw = np.random.default_rng(seed)
    number, across = (int(one) for one in draw.integers(2, 120, 2))
    lines = np.clip(draw.integers(0, 256, 3) + draw.integers(-12, 13, (number, across, 3)), 0, 255).astype(np.uint8)
    content = lines[draw.integers(0, number + 1) :]
    content[draw.random(content.shape[:2]) < draw.choice([0.1, 0.55, 0.65, 1])] = draw.integers(0, 256, 3)
    first, last = one_bar(lines.astype(int)), one_bar(lines[::-1].astype(int))
    expected = (first, last) if first + last < number else (0, 0)
    assert bars(lines.transpose(1, 0, 2), np.zeros((1, 1, 3), np.uint8), 1)[::2] == expected


def one_bar(lines: npt.NDArray[np.int64]) -> int:
    def share(line: int, other: npt.NDArray[np.int64]) -> float:
        return float((np.abs(lines[line] - other) > 12).any(axis=1).mean())

    shares = [share(at, np.median(lines[0], axis=0).astype(int)) for at in range(len(lines))]
    wide = next((at for at, one in enumerate(shares) if one), 0)
    if not wide or (np.ptp(lines[0], axis=0) > 24).any():
        return 0
    at = max(range(wide, min(wide + 4, len(lines))), key=lambda one: shares[one])
    return wide if min(shares[at], share(at, lines[max(0, at - 8)])) >= 0.6 else 0


def test_neither_a_gradient_nor_half_of_two_plain_halves_is_a_bar() -> None:
    column = (20 + 0.25 * np.arange(900)).clip(0, 255).astype(np.uint8)
    sky = Image.fromarray(np.broadcast_to(column[:, None, None], (900, 600, 3)).copy())
    halves = Image.new("RGB", (60, 40), "white")
    halves.paste("black", (0, 20, 60, 40))
    for image in (sky, halves, halves.transpose(Image.Transpose.ROTATE_90)):
        assert facts(saved(image))["bars_px"] == (0, 0, 0, 0)
    assert facts(saved(sky, "JPEG"))["bars_px"] == (0, 0, 0, 0)


def test_soft_and_noisy_bars() -> None:
    frame = Image.new("RGB", (400, 300), "black")
    frame.paste(shapes((400, 220)).filter(ImageFilter.GaussianBlur(1)), (0, 40))
    found = facts(saved(frame, "JPEG", quality=85))["bars_px"]
    assert (found[0], found[2]) == (0, 0)
    assert found[1] == pytest.approx(40, abs=3)
    assert found[3] == pytest.approx(40, abs=3)
    assert facts(saved(shapes()))["bars_px"] == (0, 0, 0, 0), "a plain ground is no bar"


@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg_quality_is_the_one_it_was_saved_with(subsampling: int) -> None:
    image = shapes((64, 64))
    for quality in range(1, 101):
        data = saved(image, "JPEG", quality=quality, subsampling=subsampling)
        found = facts(data)["jpeg_quality"]
        twins = {opened(saved(image, "JPEG", quality=one)).quantization[0] == opened(data).quantization[0]: one
                 for one in (found,)}  # fmt: skip
        assert True in twins, f"{quality} was taken for {found}, whose tables differ"
    assert facts(saved(image))["jpeg_quality"] is None
    assert jpeg_quality({}) is None
    assert jpeg_quality({0: [1, 2, 3]}) is None


def with_texts(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text)
    return saved(shapes((40, 40)), pnginfo=info)


def with_comment(file_format: str, comment: bytes) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    return saved(shapes((40, 40)), file_format, exif=exif)


def with_make(text: str) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = text
    return saved(shapes((40, 40)), "WEBP", exif=exif)


def with_bits(text: bytes, *, in_alpha: bool, size: tuple[int, int] = (20, 50)) -> bytes:
    """Bits hidden column by column in the lowest bit of alpha, or of red, green and blue in turn."""
    pixels = np.asarray(Image.new("RGBA", size, (100, 100, 100, 254))).copy()
    bits = [int(bit) for byte in text for bit in f"{byte:08b}"]
    depth = 1 if in_alpha else 3
    for number, bit in enumerate(bits):
        place, channel = divmod(number, depth)
        x, y = divmod(place, size[1])
        pixels[y, x, 3 if in_alpha else channel] = (254 if in_alpha else 100) + bit
    return saved(Image.fromarray(pixels))


GENERATED = {
    "a1111": (with_texts(parameters=STEPS), "a1111"),
    "a1111, jpeg": (with_comment("JPEG", b"UNICODE\0" + STEPS.encode("utf-16-be")), "a1111"),
    "a1111, little endian": (with_comment("JPEG", b"UNICODE\0" + STEPS.encode("utf-16-le")), "a1111"),
    "a1111, webp": (with_comment("WEBP", b"ASCII\0\0\0" + STEPS.encode()), "a1111"),
    "comfyui": (with_texts(prompt=COMFY, workflow='{"last_node_id": 9, "nodes": []}'), "comfyui"),
    "comfyui, webp": (with_make(f"Prompt:{COMFY}"), "comfyui"),
    "novelai": (with_texts(Software="NovelAI", Comment='{"prompt": "x", "steps": 28}'), "novelai"),
    "invokeai": (with_texts(invokeai_metadata='{"model": 1}'), "invokeai"),
    "swarmui": (with_texts(parameters='{"sui_image_params": {"seed": 1}}'), "swarmui"),
    "fooocus": (with_texts(fooocus_scheme="fooocus", parameters="{}"), "fooocus"),
    "midjourney": (with_texts(Description="a cat --v 6 Job ID: 01234567-89ab-cdef-0123-456789abcdef"), "midjourney"),
    "hidden in alpha": (with_bits(b"stealth_pngcomp", in_alpha=True), "novelai"),
    "hidden in colours": (with_bits(b"stealth_rgbinfo", in_alpha=False), "novelai"),
    "marked by IPTC": (saved(shapes((40, 40)), "JPEG", xmp=b"<x>type/trainedAlgorithmicMedia</x>"), "other"),
    "a program that draws": (with_texts(Software="Clip Studio Paint", Comment="Steps to draw: many"), ""),
    "a camera": (with_make("Prompt Cameras Ltd"), ""),
    "a word like another": (with_texts(prompt="write your name", parameters="none"), ""),
    "nothing": (saved(shapes((40, 40))), ""),
    "one pixel": (saved(Image.new("RGBA", (1, 1))), ""),
}  # fmt: skip


@pytest.mark.parametrize(("data", "program"), GENERATED.values(), ids=GENERATED)
def test_the_program_that_generated_an_image(data: bytes, program: str) -> None:
    assert generator(opened(data), data) == program
    assert facts(data)["generator"] == program


def digest(data: bytes) -> str:
    (product,) = answer(data, [PIXELS])
    return str(product.facts["digest"])


def test_a_made_up_text_takes_no_time() -> None:
    data = with_texts(parameters="Sampler: a, " * 5400)
    start = time.process_time()
    assert facts(data)["generator"] == ""
    assert time.process_time() - start < 3, "who made the file must not choose how long it is searched"


def test_the_same_picture_has_one_digest_in_any_file() -> None:
    image = shapes((160, 240)).quantize(8).convert("RGB")
    turned = Image.Exif()
    turned[0x0112] = 6
    same = [
        saved(image), saved(image, compress_level=0), saved(image, "BMP"), saved(image, "WEBP", lossless=True),
        saved(image.convert("RGBA")), saved(image.quantize(8)), saved(image, "TIFF"),
        saved(image.transpose(Image.Transpose.ROTATE_90), exif=turned),
    ]  # fmt: skip
    assert len({digest(data) for data in same}) == 1
    other = image.copy()
    other.putpixel((3, 3), (1, 2, 3))
    differing = [other, image.transpose(Image.Transpose.ROTATE_90), image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    assert len({digest(saved(one)) for one in (image, *differing)}) == 4
    assert pixel_digest(image) == digest(same[0])


def test_colour_that_transparency_hides_does_not_count() -> None:
    clear = Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    clear.paste((9, 9, 9, 255), (0, 0, 20, 30))
    hidden = clear.copy()
    hidden.paste((0, 255, 0, 0), (20, 0, 40, 30))
    half = clear.copy()
    half.paste((255, 0, 0, 128), (20, 0, 40, 30))
    on_black = Image.alpha_composite(Image.new("RGBA", (40, 30), "black"), clear)
    assert digest(saved(clear)) == digest(saved(hidden))
    assert len({digest(saved(one)) for one in (clear, half, on_black)}) == 3


ODD = {
    "grey": Image.new("L", (30, 40), 90), "grey with alpha": Image.new("LA", (30, 40), (90, 100)),
    "16 bit": Image.new("I;16", (30, 40), 40000), "one bit": Image.new("1", (30, 40), 1),
    "CMYK": Image.new("CMYK", (30, 40), (9, 8, 7, 6)), "palette": shapes((300, 400)).quantize(16),
    "one pixel": Image.new("RGB", (1, 1)), "a line": Image.new("RGB", (700, 1), "red"),
    "clear": Image.new("RGBA", (9, 9)),
}  # fmt: skip


@pytest.mark.parametrize("image", ODD.values(), ids=ODD)
def test_any_mode_and_size_is_measured(image: Image.Image) -> None:
    data = saved(image, "JPEG" if image.mode == "CMYK" else "PNG")
    found = facts(data)
    assert not found.get("unreadable")
    assert len(digest(data)) == 32
    assert ("brightness" in found) == (image.mode != "RGBA")


def test_only_what_is_seen_is_measured() -> None:
    figure = Image.new("RGBA", (200, 200), (255, 255, 255, 0))
    figure.paste((20, 20, 20, 255), (50, 50, 150, 150))
    assert facts(saved(figure))["lightest"] == pytest.approx(20 / 255, abs=0.005)
    assert facts(saved(figure))["bars_px"] == (0, 0, 0, 0)


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_no_bytes_crash_a_look(data: bytes) -> None:
    for start in (b"", saved(shapes((40, 40)))[:300], saved(shapes((40, 40)), "JPEG")[:600]):
        measured, pixels = answer(start + data, [MEASURED, PIXELS])
        assert bool(measured.facts.get("unreadable")) == bool(pixels.facts.get("unreadable"))
