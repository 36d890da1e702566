"""The sheet of pictures, and pixels in and out."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trainer_sets import picture

from trainer.data.buckets import Fit
from trainer.data.images import read_pixels
from trainer.errors import DatasetError
from trainer.sampling.grid import Sheet, png, render

PROMPTS = ("sks, 1girl", "", "a very long prompt " * 40, "x" * 400)


def test_every_picture_is_on_the_sheet_unchanged() -> None:
    pictures = tuple((picture((64, 32), row), picture((64, 32), row + 10)) for row in range(4))
    sheet = render(Sheet("a title " * 50, "a footer", ("before", "after"), PROMPTS, pictures))
    pixels = np.asarray(sheet)
    for pair in pictures:
        for each in pair:
            large = np.asarray(each.resize((256, 128), Image.Resampling.NEAREST))
            rows, columns = np.nonzero((pixels[:, :, :] == large[0, 0]).all(axis=2))
            assert any(
                (pixels[y : y + 128, x : x + 256] == large).all()
                for y, x in zip(rows, columns, strict=True)
                if y + 128 <= pixels.shape[0] and x + 256 <= pixels.shape[1]
            )


def test_the_png_says_what_it_is() -> None:
    content = png(picture((8, 8), 0), [("Title", "sks")])
    with Image.open(BytesIO(content)) as image:
        assert image.info["Title"] == "sks"


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    image.save(tmp_path / "a.png")
    pixels = read_pixels(tmp_path / "a.png", Fit((8, 8), (8, 8)), interpolation="lanczos")
    assert pixels.shape == (3, 8, 8)
    assert (pixels == 1.0).all()


@pytest.mark.parametrize("mode", ["L", "P", "LA", "CMYK", "I;16", "1"])
def test_any_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    name = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new(mode, (8, 8)).save(name)
    assert read_pixels(name, Fit((4, 4), (4, 8)), interpolation="box").shape == (3, 4, 4)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture((64, 64), 0).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DatasetError, match="more than 1000 pixels"):
        read_pixels(tmp_path / "a.png", Fit((8, 8), (8, 8)), interpolation="lanczos")


def test_a_truncated_picture_is_named(tmp_path: Path) -> None:
    picture((64, 64), 0).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"a\.png"):
        read_pixels(tmp_path / "a.png", Fit((64, 64), (64, 64)), interpolation="lanczos")
