"""The sheet of pictures."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image
from trainer_sets import picture

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
