"""The small model that comes with dsk: what it says of drawings and photos, and how it is asked."""

from __future__ import annotations

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources

import numpy as np
import onnxruntime
import pytest
import resvg_py
from dicebear import Avatar, Style
from PIL import Image

from datakit.taggers import drawn


@cache
def drawing(seed: str) -> Image.Image:
    """A face drawn in lines, RGBA on nothing, 512 px."""
    style = json.loads((resources.files("dicebear_styles") / "notionists.json").read_text("utf-8"))
    svg = Avatar(Style(style), {"seed": seed, "size": 512}).to_string()
    image = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg))))
    image.load()
    return image


def photo(seed: int) -> Image.Image:
    """Soft colours under grain."""
    draw = np.random.default_rng(seed)
    soft = Image.fromarray(draw.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize((512, 512))
    grain = np.asarray(soft).astype(np.int16) + draw.normal(0, 8, (512, 512, 3)).astype(np.int16)
    return Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8))


def test_the_model_is_the_one_that_the_looks_are_remembered_by() -> None:
    assert hashlib.sha256(drawn.MODEL.read_bytes()).hexdigest() == drawn.MODEL_SHA256
    assert drawn.MODEL_SHA256[:16] in drawn.DRAWN.key


def test_its_notice_lies_beside_it() -> None:
    notice = drawn.MODEL.with_suffix(".LICENSE").read_text("utf-8")
    assert "Infinite Red" in notice
    assert "Permission is hereby granted" in notice


def test_the_labels_are_in_the_order_of_the_models_own_list() -> None:
    session = onnxruntime.InferenceSession(drawn.MODEL, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["labels"].split(",") == list(drawn.LABELS)
    assert session.get_inputs()[0].shape[1:] == [drawn.SIZE_PX, drawn.SIZE_PX, 3]


def test_drawings_and_photos_are_told_apart() -> None:
    assert min(drawn.drawn_score(drawn.see(drawing(seed))) for seed in "ab") > 0.5
    assert max(drawn.drawn_score(drawn.see(photo(seed))) for seed in range(3)) < 0.1


def test_the_probabilities_are_those_of_all_labels() -> None:
    facts = drawn.see(photo(1))
    assert list(facts) == list(drawn.LABELS)
    assert sum(facts.values()) == pytest.approx(1, abs=0.001)


def test_the_image_is_laid_on_white_and_hidden_colours_do_not_show() -> None:
    on_white = Image.new("RGB", (512, 512), "white")
    on_white.paste(drawing("a"), mask=drawing("a").getchannel("A"))
    hidden = np.asarray(drawing("a")).copy()
    hidden[hidden[..., 3] == 0, :3] = (255, 0, 0)
    for other in (Image.fromarray(hidden, "RGBA"), on_white):
        assert drawn.drawn_score(drawn.see(other)) == pytest.approx(
            drawn.drawn_score(drawn.see(drawing("a"))), abs=0.02
        )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "CMYK", "YCbCr", "I;16", "I", "F", "RGBA", "RGBa"])
def test_an_image_of_any_mode_can_be_seen(mode: str) -> None:
    image = Image.new(mode, (40, 30))
    before = image.tobytes()
    assert sum(drawn.see(image).values()) == pytest.approx(1, abs=0.001)
    assert (image.mode, image.size, image.tobytes()) == (mode, (40, 30), before)


def test_the_image_is_seen_upright() -> None:
    face = drawing("b").convert("RGB").transpose(Image.Transpose.ROTATE_90)
    exif = face.getexif()
    exif[274] = 6  # turned a quarter to the right when it is shown
    file = io.BytesIO()
    face.save(file, "PNG", exif=exif)
    turned = Image.open(io.BytesIO(file.getvalue()))
    turned.load()
    upright = np.asarray(drawn.small(drawing("b").convert("RGB"))).astype(int)
    assert np.abs(np.asarray(drawn.small(turned)).astype(int) - upright).max() <= 2


def test_threads_that_ask_at_once_get_the_same_answers() -> None:
    images = [photo(seed) for seed in range(4)] * 4
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(drawn.see, images)) == [drawn.see(image) for image in images]


@pytest.mark.parametrize(
    ("facts", "hint"),
    [
        ({"drawing": 0.6, "hentai": 0.3, "neutral": 0.1, "porn": 0.0, "sexy": 0.0}, "general"),
        ({"drawing": 0.1, "hentai": 0.3, "neutral": 0.1, "porn": 0.3, "sexy": 0.2}, "explicit"),
        ({"drawing": 0.1, "hentai": 0.1, "neutral": 0.2, "porn": 0.1, "sexy": 0.5}, "sensitive"),
    ],
)
def test_the_likeliest_rating_is_hinted_at(facts: dict[str, float], hint: str) -> None:
    assert drawn.rating_hint(facts) == hint
