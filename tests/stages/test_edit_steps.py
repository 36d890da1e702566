from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from edit_runs import array, edit, given, noise, opened, saved, step
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from images.tiny_pictures import swapped_profile
from PIL import Image, ImageDraw

from datakit.actions.starting import toml_value
from datakit.config import field_docs
from datakit.errors import ConfigError
from datakit.images.measure import ImageFacts
from stages.edits import crop_aspect, limit, resize, upscale
from stages.edits.model import EDITS, Edit

STEPS: list[dict[str, Any]] = [
    {"do": "flatten", "colour": "black"},
    {"do": "crop-borders"},
    {"do": "crop-borders", "min_edge": 0},
    {"do": "crop-box", "x_px": 2, "y_px": 1, "width_px": 20},
    {"do": "crop-centre", "width_px": 12, "height_px": 40},
    {"do": "crop-aspect", "ratios": ["2:1", "1:2"]},
    {"do": "limit", "area_px": 300},
    {"do": "limit", "area_px": 300, "multiple_px": 4},
    {"do": "resize", "to_px": 10},
    {"do": "resize", "to_px": 50, "only": "up", "filter": "bicubic"},
    {"do": "resize", "to_px": 13, "filter": "nearest"},
    {"do": "upscale", "area_px": 4000},
    {"do": "convert", "format": "webp"},
    {"do": "strip-metadata"},
]


def pixels(data: bytes | None) -> Any:
    return array(opened(data))


@pytest.mark.parametrize("name", EDITS.names())
def test_contract(name: str) -> None:
    edit_: Edit = EDITS.load(name)
    assert edit_.name == name.replace("_", "-")
    assert edit_.settings.__struct_config__.frozen
    assert len(EDITS.summary(name)) > 20
    assert {"do", "where"}.isdisjoint(edit_.settings.__struct_encode_fields__)
    assert sum(part is not None for part in (edit_.apply, edit_.rewrite, edit_.writes)) == 1


def test_every_step_is_tried_here() -> None:
    assert {one["do"] for one in STEPS} == {name.replace("_", "-") for name in EDITS.names()} - {"orient", "to-srgb"}


@pytest.mark.parametrize("table", STEPS, ids=lambda table: " ".join(map(str, table.values())))
@pytest.mark.parametrize("softness", [1, 255])
def test_the_colour_hidden_under_alpha_never_shows(table: dict[str, Any], softness: int) -> None:
    seen = noise(40, 24)
    mask = Image.new("L", seen.size)
    ImageDraw.Draw(mask).ellipse((8, 3, 28, 20), fill=255)
    alpha = mask if softness == 1 else Image.composite(noise(40, 24, "L", 5), mask, mask)
    made = []
    for hidden in [Image.new("RGB", seen.size, "red"), noise(40, 24, seed=9), Image.new("RGB", seen.size)]:
        image = seen.copy()
        image.paste(hidden, mask=alpha.point(lambda value: 255 * (value == 0)))
        image.putalpha(alpha)
        product = edit(saved(image), {"background": "#40ff80", "steps": [table]})
        made.append((product.image, product.facts))
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize(
    ("do", "own"),
    [("resize", {"to_px": 6, "filter": "box"}), ("limit", {"area_px": 60}), ("upscale", {"area_px": 4000})],
)
def test_resampling_mixes_colours_by_how_much_is_seen_of_them(do: str, own: dict[str, Any]) -> None:
    image = noise(40, 24, "RGBA")
    got = pixels(edit(saved(image), {"background": "#2040c0", "steps": [{"do": do, **own}]}).image)
    height, width = got.shape[:2]
    values = array(image)
    alpha = values[..., 3:] / 255
    kind = Image.Resampling.BOX if own.get("filter") == "box" else Image.Resampling.LANCZOS

    def resampled(channel: Any) -> Any:
        return np.asarray(Image.fromarray(channel.astype(np.float32)).resize((width, height), kind))

    flat = values[..., :3] * alpha + np.array([0x20, 0x40, 0xC0]) * (1 - alpha)
    wanted = np.stack([resampled(flat[..., band]) for band in range(3)], axis=-1)
    error = np.abs(got - np.clip(wanted, 0, 255))
    assert error.max() <= (3 if kind == Image.Resampling.BOX else 64), "8 bits between the steps; ringing is cut off"
    assert error.mean() < 3


def test_a_box_filter_by_hand() -> None:
    image = noise(24, 12, "RGBA")
    values = array(image).reshape(3, 4, 6, 4, 4).swapaxes(1, 2)
    alpha = values[..., 3:] / 255
    premultiplied = (values[..., :3] * alpha).mean(axis=(2, 3))
    wanted = premultiplied + 255 * (1 - alpha.mean(axis=(2, 3)))
    got = pixels(step(saved(image), "resize", to_px=3, filter="box").image)
    assert np.abs(got - wanted).max() <= 2


def test_a_profile_is_applied_before_the_steps_and_hidden_colours_stay_hidden() -> None:
    image = noise(16, 8, "RGBA")
    data = saved(image, icc_profile=swapped_profile())
    product = step(data, "crop-box", x_px=4, width_px=8)
    assert product.facts["changes"] == ["recoloured", "cropped", "flattened"]
    values = array(image)[:, 4:12]
    alpha = values[..., 3:] / 255
    wanted = values[..., 2::-1] * alpha + 255 * (1 - alpha)
    assert np.abs(pixels(product.image) - wanted).max() <= 4


@pytest.mark.parametrize("bars", [(0, 10, 0, 14), (7, 0, 9, 0), (5, 6, 7, 8), (0, 0, 12, 0), (0, 0, 0, 0)])
@pytest.mark.parametrize("colour", ["black", "white", "#336699"])
def test_bars_are_cropped(bars: tuple[int, int, int, int], colour: str) -> None:
    left, top, right, bottom = bars
    inner = noise(60, 50)
    image = Image.new("RGB", (60 + left + right, 50 + top + bottom), colour)
    image.paste(inner, (left, top))
    product = step(saved(image), "crop-borders")
    if not any(bars):
        assert product.facts == {}
        return
    assert product.facts == {"changes": ["cropped"], "done": ["cropped to 60 x 50"]}
    assert (pixels(product.image) == array(inner)).all()


@pytest.mark.parametrize("quality", [60, 90])
def test_bars_of_a_jpeg(quality: int) -> None:
    image = Image.new("RGB", (160, 160), "black")
    image.paste(noise(20, 11).resize((160, 90), Image.Resampling.BILINEAR), (0, 35))
    width, height = opened(step(saved(image, "JPEG", quality=quality), "crop-borders").image).size
    assert width == 160
    assert 84 <= height <= 90


def on_a_plain_ground() -> Image.Image:
    image = Image.new("RGB", (100, 80), "white")
    ImageDraw.Draw(image).ellipse((30, 20, 69, 59), fill="navy")
    return image


def test_a_plain_background_is_no_bar_unless_it_is_asked_for() -> None:
    data = saved(on_a_plain_ground())
    assert step(data, "crop-borders").facts == {}
    assert opened(step(data, "crop-borders", min_edge=0, max_loss=0.9).image).size == (40, 40)
    assert step(data, "crop-borders", min_edge=0, max_loss=0.5).facts == {}


def test_transparent_margins_go() -> None:
    image = Image.new("RGBA", (100, 80), (255, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((30, 20, 69, 59), fill="navy")
    assert opened(step(saved(image), "crop-borders", max_loss=0.9).image).size == (40, 40)
    clear = Image.new("RGBA", (10, 8), (255, 0, 0, 0))
    assert opened(step(saved(clear), "crop-borders").image).size == (10, 8)
    assert step(saved(Image.new("RGB", (10, 8))), "crop-borders").facts == {}


def test_crops() -> None:
    image = noise(31, 20)
    cases: list[tuple[dict[str, Any], tuple[int, int, int, int]]] = [
        ({"do": "crop-box", "x_px": 3, "y_px": 2, "width_px": 10, "height_px": 5}, (3, 2, 13, 7)),
        ({"do": "crop-box", "x_px": 3}, (3, 0, 31, 20)),
        ({"do": "crop-box", "width_px": 99, "height_px": 5}, (0, 0, 31, 5)),
        ({"do": "crop-centre", "width_px": 10, "height_px": 99}, (10, 0, 20, 20)),
        ({"do": "crop-centre", "height_px": 5}, (0, 7, 31, 12)),
        ({"do": "crop-aspect", "ratios": ["1:1", "3:2"]}, (0, 0, 30, 20)),
        ({"do": "crop-aspect", "ratios": ["1:1"], "keep": "end"}, (11, 0, 31, 20)),
        ({"do": "crop-aspect", "ratios": ["1:1"], "keep": "start"}, (0, 0, 20, 20)),
        ({"do": "crop-aspect", "ratios": ["1:9"], "max_loss": 1.0}, (14, 0, 16, 20)),
    ]
    for table, box in cases:
        got = pixels(edit(saved(image), {"steps": [table]}).image)
        assert np.array_equal(got, array(image.crop(box))), table
    for same in ({"do": "crop-box", "width_px": 31}, {"do": "crop-centre", "width_px": 50}):
        assert edit(saved(image), {"steps": [same]}).facts == {}
    assert step(saved(image), "crop-aspect", ratios=["1:9"]).facts == {}, "it would lose more than half"
    assert step(saved(image), "crop-box", x_px=31).facts["failed"] == "empty-crop"


SIZES = st.tuples(st.integers(1, 9000), st.integers(1, 9000))


@settings(max_examples=120, deadline=None)
@drawn(SIZES, st.sampled_from([1, 8, 32, 64]), st.sampled_from([64 * 64, 512 * 512, 1024 * 1024, 1216 * 832]))
def test_a_limited_size_lies_within_the_area_and_keeps_its_shape(size: tuple[int, int], step_: int, area: int) -> None:
    own = limit.Settings(area_px=area, multiple_px=step_)
    facts = ImageFacts(oriented_size_px=size)
    if not limit.concerns(facts, own):
        assert size[0] * size[1] <= area
        return
    wide, high = limit.bucket_for(size, own)
    assert 1 <= wide <= size[0]
    assert 1 <= high <= size[1]
    assert wide * high <= area
    if min(size) >= step_:
        assert wide % step_ == high % step_ == 0
    if max(size) / min(size) < 8 and step_ * 16 <= math.isqrt(area):
        lost = 1 - min(wide / size[0], high / size[1]) / max(wide / size[0], high / size[1])
        assert lost <= step_ / min(wide, high) + 0.01
        assert wide * high > 0.75 * area


def test_limited_images_cover_their_bucket_without_being_stretched() -> None:
    size = (300, 200)
    x, y = np.meshgrid(np.linspace(0, 255, 300), np.linspace(0, 255, 200))
    image = Image.fromarray(np.stack([x, y, x * 0], axis=-1).round().astype(np.uint8))
    made = pixels(step(saved(image), "limit", area_px=150 * 100, multiple_px=32).image)
    wide, high = limit.bucket_for(size, limit.Settings(area_px=150 * 100, multiple_px=32))
    assert made.shape == (high, wide, 3)
    per_px = 255 / 299, 255 / 199
    steps = (made[:, -2, 0] - made[:, 1, 0]).mean() / (wide - 3), (made[-2, :, 1] - made[1, :, 1]).mean() / (high - 3)
    assert steps[0] / per_px[0] == pytest.approx(steps[1] / per_px[1], rel=0.02), "as many source pixels a pixel"
    assert made[:, 0, 0].mean() + made[:, -1, 0].mean() == pytest.approx(255, abs=3), "both ends lose the same"
    assert made[0, :, 1].mean() + made[-1, :, 1].mean() == pytest.approx(255, abs=3)


def test_sizes() -> None:
    rows = [
        ((200, 100), {"to_px": 50}, (100, 50)),
        ((200, 100), {"to_px": 50, "side": "longer"}, (50, 25)),
        ((100, 200), {"to_px": 50, "side": "width"}, (50, 100)),
        ((100, 200), {"to_px": 50, "side": "height"}, (25, 50)),
        ((100, 100), {"to_px": 50, "side": "longer"}, (50, 50)),
        ((40, 20), {"to_px": 50}, (40, 20)),
        ((40, 20), {"to_px": 50, "only": "up"}, (100, 50)),
        ((200, 100), {"to_px": 50, "only": "up"}, (200, 100)),
        ((40, 20), {"to_px": 50, "only": "both"}, (100, 50)),
        ((9000, 1), {"to_px": 5, "side": "longer"}, (5, 1)),
    ]
    for size, own, wanted in rows:
        assert resize.size_for(size, resize.Settings(**own)) == wanted  # type: ignore[arg-type]
    assert upscale.size_for((512, 512), upscale.Settings()) == (1024, 1024)
    assert upscale.size_for((100, 50), upscale.Settings()) == (200, 100)
    assert upscale.size_for((2000, 1000), upscale.Settings()) == (2000, 1000)
    assert crop_aspect.box_for((1000, 1), crop_aspect.Settings(max_loss=1.0)) == (499, 0, 1, 1)


def test_pixel_art_keeps_its_edges() -> None:
    image = noise(8, 6)
    made = pixels(step(saved(image), "resize", to_px=24, only="up", filter="nearest").image)
    assert np.array_equal(made, array(image).repeat(4, axis=0).repeat(4, axis=1))


@pytest.mark.parametrize(
    ("source", "target", "name", "same"),
    [
        ("PNG", "png", "", True),
        ("PNG", "jpeg", "jpg", False),
        ("JPEG", "webp", "webp", False),
        ("BMP", "png", "png", False),
    ],
)
def test_formats(source: str, target: str, name: str, same: bool) -> None:
    data = saved(noise(16, 16), source)
    product = step(data, "convert", format=target)
    if same:
        assert product == edit(data)
        return
    assert product.extension == name
    made = opened(product.image)
    assert (made.format, made.mode, made.size) == (target.upper(), "RGB", (16, 16))
    assert product.facts["changes"] == ["re-encoded"]
    assert np.abs(array(made) - array(opened(data))).mean() < (6 if target == "jpeg" else 1e-9)


def test_the_format_of_a_step_is_that_of_all_changed_images() -> None:
    steps = [{"do": "convert", "format": "jpeg", "quality": 80}, {"do": "limit", "area_px": 100}]
    product = edit(saved(noise(16, 16), "JPEG"), {"format": "webp", "steps": steps})
    assert (product.extension, product.facts["changes"]) == ("jpg", ["limited"])
    assert opened(product.image).format == "JPEG"


def test_what_a_format_cannot_hold_is_written_as_png() -> None:
    wide = saved(Image.new("L", (16400, 2)))
    assert edit(wide, {"format": "webp"}).extension == "png"


def test_steps_run_in_their_order() -> None:
    image = noise(64, 32)
    crop, shrink = {"do": "crop-centre", "width_px": 32}, {"do": "resize", "to_px": 16}
    first = edit(saved(image), {"steps": [crop, shrink]})
    second = edit(saved(image), {"steps": [shrink, crop]})
    assert first.facts["done"] == ["cropped to 32 x 32", "resized to 16 x 16"]
    assert second.facts["done"] == ["resized to 32 x 16"]
    assert opened(first.image).size == (16, 16)


REFUSED = [
    ({"do": "limt"}, "no step 'limt'", "did you mean 'limit'?"),
    ({"do": "zzz"}, "no step 'zzz'", "one of: convert, crop-aspect"),
    ({}, "'do' is missing", "docs/edits.md"),
    ({"do": 3}, "'do' is missing", ""),
    ({"do": "orient"}, "'orient' is done to every image", "leave"),
    ({"do": "limit", "area": 3}, "unknown key 'area'", "did you mean 'area_px'?"),
    ({"do": "limit", "area_px": "3"}, "Expected `int`", ""),
    ({"do": "limit", "area_px": 3, "multiple_px": 64}, "leaves no side", ""),
    ({"do": "flatten", "colour": "whit"}, "'whit' is no colour", ""),
    ({"do": "crop-centre"}, "set width_px or height_px", ""),
    ({"do": "crop-aspect", "ratios": ["3x4"]}, "'3x4' is no ratio", ""),
    ({"do": "crop-aspect", "ratios": []}, "ratios are missing", ""),
    ({"do": "limit", "where": "concpt:x"}, "no word 'concpt'", "did you mean 'concept'?"),
    ({"do": "limit", "where": "in:wip"}, "'in:wip' asks for more than the item itself", "may ask"),
    ({"do": "limit", "where": 3}, "'where' is a query", ""),
    ({"do": "convert", "format": "gif"}, "gif", ""),
]


@pytest.mark.parametrize(("table", "message", "hint"), REFUSED)
def test_wrong_steps_are_told(table: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        given({"steps": [{"do": "limit"}, table]})
    assert "[[edited.steps]] 2" in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_the_page_lists_every_setting_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "edits.md").read_text("utf-8")
    for one in EDITS.all():
        assert one.is_always or f"\n### {one.name}\n" in page
        for field in msgspec.structs.fields(one.settings):
            row = f"| `{field.encode_name}` | `{toml_value(field.default)}` | {field_docs(one.settings)[field.name]} |"
            assert row in page
