"""Pixels and masks of every view: mirrored, cut, coloured; and files that are no pictures."""

from __future__ import annotations

import colorsys
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from trainer_sets import picture

from trainer.data import decoding
from trainer.data.buckets import BucketRule, Fit, fit
from trainer.data.items import Item
from trainer.data.pixels import (
    Colour,
    View,
    face_of,
    fixed_views,
    geometry_of,
    identity,
    read_view,
    view_of,
)
from trainer.data.subsets import CaptionRule, ImageSet, Subset
from trainer.errors import DatasetError

SQUARE = BucketRule((32, 32), enable=False)


def item_of(path: Path, *, buckets: BucketRule = SQUARE, size: tuple[int, int] | None = None, **subset: Any) -> Item:
    given = {"num_repeats": 1, "class_tokens": "", "caption_extension": ".txt", "flip_aug": False}
    made = Subset(path.parent, **{**given, "captions": CaptionRule(), **subset})
    size = size or decoding.read_size(path)
    placed = fit(buckets, size, random_crop=made.random_crop)
    return Item(path, ("x",), size, placed, 0, ImageSet(1, buckets, "lanczos", (made,)), made, digest="d")


def numbered(path: Path, size: tuple[int, int] = (48, 40)) -> Path:
    """A picture whose pixels say where they are: red is x, green is y."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    Image.fromarray(np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)).save(path)
    return path


def corner(pixels: np.ndarray[Any, Any]) -> tuple[int, int]:
    """What the first pixel says of its place."""
    return round((float(pixels[0, 0, 0]) + 1) * 127.5), round((float(pixels[1, 0, 0]) + 1) * 127.5)


def test_a_random_crop_is_where_its_geometry_says(tmp_path: Path) -> None:
    item = item_of(numbered(tmp_path / "a.png"), random_crop=True, flip_aug=True)
    seen = set()
    for epoch in range(60):
        view = view_of(item, run_seed=1, name="d", epoch=epoch)
        assert view == view_of(item, run_seed=1, name="d", epoch=epoch)
        assert not view.is_fixed
        pixels, mask = read_view(item, view)
        left, top = geometry_of(item, view).crop_px
        at = (left, top) if not view.flip else (48 - 1 - left, top)
        assert corner(pixels) == at
        assert mask is None
        seen.add((view.flip, left, top))
    assert len(seen) > 40
    assert {left for _, left, _ in seen} <= set(range(17))
    assert {top for _, _, top in seen} == set(range(9))
    assert fixed_views(item) == ()


def test_a_mirrored_picture_counts_its_crop_from_the_other_side(tmp_path: Path) -> None:
    item = item_of(numbered(tmp_path / "a.png", (47, 32)), flip_aug=True)
    plain, flipped = fixed_views(item)
    assert (geometry_of(item, plain).crop_px, geometry_of(item, flipped).crop_px) == ((7, 0), (8, 0))
    assert corner(read_view(item, plain)[0]) == (7, 0)
    assert corner(read_view(item, flipped)[0]) == (47 - 1 - 8, 0)
    assert geometry_of(item, plain).original_px == (47, 32)
    assert identity(item, plain) != identity(item, flipped)
    drawn = {view_of(item, run_seed=1, name="d", epoch=epoch).flip for epoch in range(20)}
    assert drawn == {False, True}


def test_a_crop_without_room_is_fixed(tmp_path: Path) -> None:
    item = item_of(numbered(tmp_path / "a.png", (32, 32)), random_crop=True)
    assert fixed_views(item) == (View(),)
    assert view_of(item, run_seed=1, name="d", epoch=3).is_fixed


def test_colours_change_as_often_as_in_sd_scripts_and_within_its_range(tmp_path: Path) -> None:
    item = item_of(numbered(tmp_path / "a.png"), color_aug=True)
    colours = [view_of(item, run_seed=2, name="d", epoch=epoch).colour for epoch in range(3000)]
    changed = [colour for colour in colours if colour]
    assert len(changed) == pytest.approx(990, abs=90)
    hues = [colour.hue_degrees for colour in changed if colour.hue_degrees]
    gammas = [colour.gamma for colour in changed if colour.gamma != 1.0]
    assert len(hues) == pytest.approx(len(changed) / 2, abs=80)
    assert -16 <= min(hues) < -14 < 14 < max(hues) <= 16
    assert 0.95 <= min(gammas) < 0.955 < 1.045 < max(gammas) <= 1.05
    assert fixed_views(item) == ()


@given(st.tuples(*[st.integers(0, 255)] * 3), st.floats(-16, 16))
@settings(max_examples=30, deadline=None)
def test_a_hue_turns_as_colorsys_turns_it(tmp_path_factory: pytest.TempPathFactory, rgb: Any, degrees: float) -> None:
    path = tmp_path_factory.mktemp("hue") / "a.png"
    Image.new("RGB", (32, 32), rgb).save(path)
    found, _ = read_view(item_of(path), View(colour=Colour(hue_degrees=degrees)))
    hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in rgb))
    wanted = np.array(colorsys.hsv_to_rgb((hue + degrees / 360) % 1.0, saturation, value)) * 255
    # Pillow keeps hue in 256 steps, of which one is worth up to 6 of 255.
    assert np.abs((found[:, 0, 0] + 1) * 127.5 - wanted).max() <= 12


def test_gamma_is_of_brightness_from_0_to_1(tmp_path: Path) -> None:
    path = numbered(tmp_path / "a.png", (32, 32))
    found, _ = read_view(item_of(path), View(colour=Colour(gamma=1.05)))
    wanted = 255 * (np.arange(32) / 255.0) ** 1.05
    assert np.abs((found[0, 0] + 1) * 127.5 - wanted).max() <= 0.51


def test_a_face_is_in_the_picture_at_a_size_within_the_range(tmp_path: Path) -> None:
    path = numbered(tmp_path / "a_150_90_50_60.png", (240, 200))
    item = item_of(path, face_crop_aug_range=(1.5, 3.0))
    assert face_of(item) == (150, 90, 50, 60)
    scales = set()
    for epoch in range(40):
        view = view_of(item, run_seed=1, name="d", epoch=epoch)
        assert view.resized_px
        assert view.crop_px
        scale = view.resized_px[0] / 240
        scales.add(scale)
        assert 32 / 3.0 - 1 <= 60 * scale <= 32 / 1.5 + 1
        for at, middle in zip(view.crop_px, (150, 90), strict=True):
            assert at <= middle * scale <= at + 32
        pixels, _ = read_view(item, view)
        assert pixels.shape == (3, 32, 32)
        assert abs(corner(pixels)[0] - view.crop_px[0] / scale) < 8
    assert len(scales) > 10


def test_a_face_at_one_size_is_fixed_and_one_beyond_the_picture_is_none(tmp_path: Path) -> None:
    item = item_of(numbered(tmp_path / "a_90_70_40_40.png", (160, 128)), face_crop_aug_range=(2.0, 2.0))
    (view,) = fixed_views(item)
    assert view == view_of(item, run_seed=3, name="e", epoch=8)
    assert view.resized_px == (64, 51)
    for name in ("a_900_70_40_40", "a_90_70_0_0", "a_90_70_x_40", "70_70_40_40"):
        other = item_of(numbered(tmp_path / f"{name}.png", (160, 128)), face_crop_aug_range=(2.0, 2.0))
        assert face_of(other) is None
        assert fixed_views(other) == (View(),)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 500), st.integers(1, 500), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_window_lies_in_the_picture(width: int, height: int, x: int, y: int, random_crop: bool) -> None:
    path = Path(f"/nowhere/a_{x}_{y}_{min(x, 70)}_{y % 50}.png")
    for rule in (SQUARE, BucketRule((64, 64), min_px=32, max_px=128, step_px=32)):
        item = item_of(
            path, buckets=rule, size=(width, height), random_crop=random_crop, face_crop_aug_range=(1.0, 4.0)
        )
        view = view_of(item, run_seed=x, name="d", epoch=y)
        resized = view.resized_px or item.fit.resized_px
        for side in (0, 1):
            assert 0 <= geometry_of(item, view).crop_px[side] <= resized[side] - item.fit.bucket_px[side]
        assert math.isclose(resized[0] / resized[1], width / height, abs_tol=width / height * 0.5 + 0.1)


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "1", "P"])
def test_a_mask_counts_where_it_is_white(mode: str, tmp_path: Path) -> None:
    numbered(tmp_path / "a.png", (32, 32))
    x = np.mgrid[0:64, 0:64][1]
    grey = Image.fromarray(np.where(x < 32, 255, 0).astype(np.uint8))
    mask = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    mask.save(tmp_path / "m.png")
    item = replace(item_of(tmp_path / "a.png"), mask_path=tmp_path / "m.png")
    _, found = read_view(item, View())
    assert found is not None
    assert found.shape == (32, 32)
    assert found[:, :15].min() == 1.0
    assert found[:, 17:].max() == 0.0
    _, flipped = read_view(item, View(flip=True))
    assert np.array_equal(flipped, found[:, ::-1])


def test_alpha_is_a_mask_where_asked_for_and_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (32, 32), (10, 20, 30, 255))
    image.paste((10, 20, 30, 0), (0, 0, 16, 32))
    image.save(tmp_path / "a.png")
    pixels, mask = read_view(item_of(tmp_path / "a.png", alpha_mask=True), View())
    assert (pixels[:, :, :16] == 1.0).all()
    assert mask is not None
    assert (mask[:, :16] == 0.0).all()
    assert (mask[:, 16:] == 1.0).all()
    assert read_view(item_of(tmp_path / "a.png"), View())[1] is None
    Image.new("L", (32, 32), 128).save(tmp_path / "m.png")
    both = replace(item_of(tmp_path / "a.png", alpha_mask=True), mask_path=tmp_path / "m.png")
    found = read_view(both, View())[1]
    assert found is not None
    assert sorted(set(found.ravel().tolist())) == pytest.approx([0.0, 128 / 255])


@pytest.mark.parametrize("mode", ["L", "P", "LA", "CMYK", "I;16", "1", "I", "F"])
def test_any_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    name = tmp_path / {"CMYK": "a.jpg", "I": "a.tif", "F": "a.tif"}.get(mode, "a.png")
    Image.new(mode, (40, 40)).save(name)
    assert read_view(item_of(name), View())[0].shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("dtype", "value", "shown"),
    [("uint16", 32896, 128), ("uint16", 257, 1), ("int32", 32896, 128), ("int32", 77, 77), ("float32", 0.2, 51)],
)
def test_deep_greys_are_scaled_not_cut_off(dtype: str, value: float, shown: int, tmp_path: Path) -> None:
    Image.fromarray(np.full((32, 32), value, dtype=dtype)).save(tmp_path / "a.tif")
    pixels, _ = read_view(item_of(tmp_path / "a.tif"), View())
    assert pixels == pytest.approx(shown / 127.5 - 1, abs=1e-6)


@pytest.mark.parametrize("content", [b"", b"GIF89a nonsense", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"BM" + b"\xff" * 60])
def test_what_is_no_picture_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.png") as caught:
        decoding.read_size(tmp_path / "a.png")
    assert caught.value.hint


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_spoilt_file_gives_pixels_or_an_error_that_names_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("spoilt") / f"a.{data.draw(st.sampled_from(['png', 'jpg', 'webp', 'bmp']))}"
    picture((40, 40), 1).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    item = item_of(path, size=(40, 40))
    try:
        shape, told = read_view(item, View())[0].shape, ""
    except DatasetError as error:
        shape, told = (3, 32, 32), error.message
    assert shape == (3, 32, 32)
    assert not told or str(path) in told


def test_a_bomb_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture((64, 64), 0).save(tmp_path / "a.png")
    before = Image.MAX_IMAGE_PIXELS
    for limit in (1000, 3000, 4095):
        monkeypatch.setattr(decoding, "MAX_PIXELS", limit)
        with pytest.raises(DatasetError, match=f"more than {limit} pixels"):
            decoding.read_size(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 4096)
    assert decoding.read_size(tmp_path / "a.png") == (64, 64)
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_large_picture_is_read_all_the_same(tmp_path: Path) -> None:
    Image.new("1", (14_000, 13_000)).save(tmp_path / "a.png")
    assert decoding.read_size(tmp_path / "a.png") == (14_000, 13_000)


@pytest.mark.parametrize("extension", sorted(decoding.extensions() - {".jxl"}))
def test_every_format_that_is_said_is_read(extension: str, tmp_path: Path) -> None:
    picture((40, 40), 1).save(tmp_path / f"a{extension}")
    assert read_view(item_of(tmp_path / f"a{extension}"), View())[0].shape == (3, 32, 32)


def test_a_middle_cut_is_that_of_the_bucket() -> None:
    assert Fit((32, 32), (47, 32)).crop_px == (7, 0)
