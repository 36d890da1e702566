"""Colours under full transparency: what is counted, and what is not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datakit.images.looks import MEASURED, answer
from datakit.images.measures.hidden import hidden
from datakit.images.measures.truncation import is_cut_short

NONE = {"hidden_share": 0.0, "hidden_colours": 0}


def facts(image: Image.Image, **options: Any) -> dict[str, Any]:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return answer(file.getvalue(), [MEASURED])[0].facts


def halves(left: tuple[int, ...], right: tuple[int, ...]) -> Image.Image:
    image = Image.new("RGBA", (64, 64), left)
    image.paste(right, (32, 0, 64, 64))
    return image


def test_what_is_hidden_and_unlike_most_of_it_counts_as_part_of_the_whole() -> None:
    image = halves((255, 0, 0, 255), (0, 0, 0, 0))
    image.paste((0, 200, 0, 0), (48, 0, 64, 16))
    assert facts(image)["hidden_share"] == pytest.approx(1 / 16, abs=0.001)
    assert facts(image)["hidden_colours"] == 2


def test_what_can_be_seen_a_little_is_not_hidden() -> None:
    assert hidden(halves((0, 0, 0, 0), (90, 160, 240, 1))) == {"hidden_share": 0.0, "hidden_colours": 1}
    assert hidden(halves((0, 0, 0, 9), (90, 160, 240, 1))) == NONE


def test_images_without_transparency_are_not_asked() -> None:
    assert "hidden_share" not in facts(Image.new("RGB", (9, 9)))
    assert "hidden_share" not in facts(Image.new("RGBA", (9, 9), (1, 2, 3, 255)))
    assert facts(Image.new("RGBA", (9, 9), (1, 2, 3, 0)))["hidden_share"] == 0


def test_a_palette_hides_the_colours_of_its_transparent_entries() -> None:
    image = Image.new("P", (10, 10), 0)
    image.putpalette([255, 0, 0, 0, 0, 255, 9, 9, 9])
    image.paste(1, (0, 0, 5, 10))
    assert facts(image, transparency=b"\0\0\xff")["hidden_share"] == pytest.approx(0.5)
    assert facts(image, transparency=1)["hidden_share"] == 0


def test_grey_with_alpha() -> None:
    image = Image.new("LA", (10, 10), (0, 0))
    image.paste((200, 0), (0, 0, 5, 10))
    assert hidden(image) == {"hidden_share": 0.5, "hidden_colours": 2}
    assert hidden(Image.new("RGB", (4, 4))) == NONE


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_small_images_are_counted_pixel_by_pixel(width: int, height: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    values[..., 3] *= values[..., 3] > 127
    cells = [tuple(pixel[:3] >> 4) for pixel in values.reshape(-1, 4) if not pixel[3]]
    others = len(cells) - max((cells.count(cell) for cell in {*cells}), default=0)
    expected = {"hidden_share": round(others / (width * height), 4), "hidden_colours": len({*cells})}
    assert hidden(Image.fromarray(values, "RGBA")) == expected


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_every_image_cut_in_half_is_told_to_be_cut_short(kind: str) -> None:
    file = io.BytesIO()
    values = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(values).save(file, kind)
    half = file.getvalue()[: len(file.getvalue()) // 2]
    reason = answer(half, [MEASURED])[0].facts["unreadable"]
    assert is_cut_short(reason, lambda: half)
    assert not is_cut_short("not an image of a known format", lambda: half)
