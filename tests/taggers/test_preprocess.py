"""Images become the very numbers that the reference pipelines make of them."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from taggers import onnx_graphs as graphs

from datakit.taggers.preprocess import Floats, prepare
from datakit.taggers.spec import Input

WD = Input()
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def space(image: Image.Image, side: int) -> Floats:
    """SmilingWolf's space, restated: gradio hands it RGBA; it composites, pads in white, resizes, and turns to BGR."""
    pixels = np.asarray(image.convert("RGBA"))
    below = Image.fromarray(np.full(pixels.shape, 255, np.uint8), "RGBA")
    flat = np.asarray(Image.alpha_composite(below, Image.fromarray(pixels, "RGBA")))[..., :3]
    height, width = flat.shape[:2]
    longest = max(height, width)
    left, top = (longest - width) // 2, (longest - height) // 2
    square = np.full((longest, longest, 3), 255, np.uint8)
    square[top : top + height, left : left + width] = flat
    if longest != side:
        square = np.asarray(Image.fromarray(square, "RGB").resize((side, side), Image.Resampling.BICUBIC))
    return np.stack([square[..., 2], square[..., 1], square[..., 0]], axis=-1).astype(np.float32)


def noise(size: tuple[int, int], mode: str = "RGB", seed: int = 0) -> Image.Image:
    bands = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], bands), dtype=np.uint8)
    return Image.fromarray(pixels[..., 0] if bands == 1 else pixels, mode)


def palette_with_transparency() -> Image.Image:
    image = noise((61, 40)).quantize(16)
    image.info["transparency"] = bytes([0, 64, 128, 255])
    return image


def keyed() -> Image.Image:
    image = noise((40, 61))
    image.info["transparency"] = image.getpixel((3, 3))
    return image


SIZES = [(1, 1), (1, 90), (90, 1), (448, 448), (448, 447), (447, 448), (449, 451), (901, 330), (330, 901), (7, 5)]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L"])
@pytest.mark.parametrize("size", SIZES)
def test_wd_is_bit_for_bit_the_space(mode: str, size: tuple[int, int]) -> None:
    image = noise(size, mode)
    assert np.array_equal(prepare(image, WD, 448), space(image, 448))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["RGB", "RGBA", "LA"]), st.integers(1, 200))
def test_any_size_is_bit_for_bit_the_space(width: int, height: int, mode: str, side: int) -> None:
    image = noise((width, height), mode, seed=width * 1000 + height)
    assert np.array_equal(prepare(image, WD, side), space(image, side))


@pytest.mark.parametrize("make", [palette_with_transparency, keyed], ids=["palette", "colour key"])
def test_transparency_in_a_palette_or_key_is_white(make: object) -> None:
    image = make()  # type: ignore[operator]
    assert image.has_transparency_data
    assert np.array_equal(prepare(image, WD, 448), space(image, 448))


def test_hidden_colour_never_shows() -> None:
    red, green = (Image.new("RGBA", (30, 20), (*colour, 0)) for colour in ((255, 0, 0), (0, 255, 0)))
    assert np.array_equal(prepare(red, WD, 64), prepare(green, WD, 64))
    assert (prepare(red, WD, 64) == 255).all()


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr", "I;16", "I", "F", "PA"])
def test_other_modes_give_their_picture(mode: str) -> None:
    half = Image.new("L", (64, 64), 0)
    half.paste(255, (32, 0, 64, 64))
    if mode in ("I;16", "I"):
        image = Image.fromarray(np.asarray(half).astype(np.uint16 if mode == "I;16" else np.int32) * 257)
    else:
        image = (half.convert("LA") if mode == "PA" else half).convert(mode)
    assert image.mode == mode
    got = prepare(image, WD, 64)
    assert got[:, :32].max() < 40
    assert got[:, 32:].min() > 215


def test_mean_and_deviation_are_float32_arithmetic() -> None:
    image = noise((50, 80), "RGBA")
    wanted = Input(layout="nchw", channels="rgb", scale="0-1", mean=CLIP_MEAN, std=CLIP_STD)
    pixels = space(image, 448)[..., ::-1] / np.float32(255)
    pixels = (pixels - np.array(CLIP_MEAN, np.float32)) / np.array(CLIP_STD, np.float32)
    assert np.array_equal(prepare(image, wanted, 448), pixels.transpose(2, 0, 1))


def test_cl_tagger_takes_bgr_between_minus_one_and_one() -> None:
    wanted = Input(layout="nchw", scale="0-1", mean=(0.5,) * 3, std=(0.5,) * 3)
    got = prepare(Image.new("RGB", (9, 9), (255, 0, 0)), wanted, 32)
    assert [got[channel].min() for channel in range(3)] == [-1, -1, 1]
    assert got.shape == (3, 32, 32)


def test_stretch_ignores_the_shape() -> None:
    image = noise((90, 30))
    got = prepare(image, Input(layout="nchw", channels="rgb", scale="0-1", fit="stretch", resample="bilinear"), 48)
    pixels = np.asarray(image.resize((48, 48), Image.Resampling.BILINEAR)).astype(np.float32) / np.float32(255)
    assert np.array_equal(got, pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (512, 512), (513, 7), (3, 1000)])
def test_resize_pad_is_imgutils_deepdanbooru(size: tuple[int, int]) -> None:
    image = noise(size)
    scale = 512 / max(size)
    width, height = int(size[0] * scale), int(size[1] * scale)
    small = np.asarray(image.resize((max(1, width), max(1, height)), Image.Resampling.BICUBIC), np.float32) / 255
    left, top = (512 - small.shape[1]) // 2, (512 - small.shape[0]) // 2
    expected = np.zeros((512, 512, 3), np.float32)
    expected[top : top + small.shape[0], left : left + small.shape[1]] = small
    wanted = Input(channels="rgb", scale="0-1", fit="resize-pad", pad="black")
    assert np.array_equal(prepare(image, wanted, 512), expected)


@pytest.mark.parametrize("wanted", [WD, Input(layout="nchw", scale="0-1", mean=CLIP_MEAN, std=CLIP_STD)])
def test_a_row_of_a_batch_is_written_in_place(wanted: Input) -> None:
    image, shape = noise((80, 50)), (64, 64, 3) if wanted.layout == "nhwc" else (3, 64, 64)
    batch = np.full((3, *shape), -7, np.float32)
    prepare(image, wanted, 64, out=batch[1])
    assert np.array_equal(batch[1], prepare(image, wanted, 64))
    assert (batch[[0, 2]] == -7).all()


def answers(image: Image.Image, wanted: Input, interface: graphs.Interface) -> set[str]:
    """Which probes a graph answers with yes."""
    session = onnxruntime.InferenceSession(graphs.graph(64, interface), providers=["CPUExecutionProvider"])
    batch = prepare(image, wanted, interface.size_px)[None]
    name = next(one for one in reversed(interface.outputs) if "embedding" not in one)
    scores = session.run([name], {interface.input_name: batch})[0][0]
    bar = 0.0 if "logits" in name else 0.5
    first = interface.first_probe
    return {probe for probe, score in zip(graphs.PROBES, scores[first:], strict=False) if score > bar}


def scene() -> Image.Image:
    """Wide, reddish, lighter at the top and at the left, dark in the middle."""
    image = Image.new("RGB", (600, 300), (150, 60, 60))
    image.paste((240, 150, 150), (0, 0, 600, 100))
    image.paste((230, 140, 140), (0, 0, 150, 300))
    image.paste((40, 0, 0), (270, 120, 330, 180))
    return image


RIGHT = {
    "WD": (graphs.WD, WD),
    "CL": (graphs.CL, Input(layout="nchw", scale="0-1", mean=(0.5,) * 3, std=(0.5,) * 3)),
    "JOYTAG": (graphs.JOYTAG, Input(layout="nchw", channels="rgb", scale="0-1", mean=CLIP_MEAN, std=CLIP_STD)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_input_gives_the_right_tags(name: str) -> None:
    interface, wanted = RIGHT[name]
    assert answers(scene(), wanted, interface) == {"red", "white_corner", "top", "left", "bright"}


def test_every_mistake_gives_other_tags() -> None:
    right = answers(scene(), WD, graphs.WD)
    mistakes = [Input(channels="rgb"), Input(pad="black"), Input(scale="0-1"), Input(fit="stretch")]
    for wanted in mistakes:
        assert answers(scene(), wanted, graphs.WD) != right, wanted
    for flip in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_90):
        assert answers(scene().transpose(flip), WD, graphs.WD) != right, flip
    with pytest.raises(Exception, match=r"(?i)invalid|dimension"):
        answers(scene(), Input(layout="nchw"), graphs.WD)
