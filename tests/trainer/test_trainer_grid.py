"""The sheet of pictures."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from trainer_sets import picture

from trainer.sampling.grid import PAPER, Row, Sheet, png, render
from trainer.sampling.lettering import shortened, width_of, wrapped

PROMPTS = tuple(
    Row(text, ("seed 3, 32 x 64", "not: " + "this and that " * 20))
    for text in ("sks, 1girl", "", "a very long prompt " * 40, "x" * 400)
)


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


def columns_of(sheet: Image.Image) -> list[tuple[int, int]]:
    """Where what is coloured begins and ends, from left to right."""
    pixels = np.asarray(sheet.convert("HSV"))[..., 1] > 100
    busy = np.flatnonzero(np.diff(np.concatenate([[0], pixels.any(axis=0), [0]]).astype(int)))
    return list(zip(busy[::2].tolist(), busy[1::2].tolist(), strict=True))


def test_pictures_of_several_sizes_are_in_the_middle_of_their_columns() -> None:
    sizes = [(300, 240), (240, 300), (240, 240)]
    pictures = tuple((Image.new("RGB", size, "red"), Image.new("RGB", size, "blue")) for size in sizes)
    sheet = render(Sheet("t", "f", ("before", "100"), PROMPTS[:3], pictures))
    (start, end), (later, last) = columns_of(sheet)
    assert (end - start, last - later) == (300, 300)
    rows = np.asarray(sheet)[:, (start + end) // 2]
    assert [int((rows == colour).all(axis=1).sum()) for colour in [(255, 0, 0)]] == [240 + 300 + 240]
    # What is beside a narrow picture is paper, as much on the left as on the right.
    y = 110 + 240 + 14 + 150
    assert np.array_equal(np.asarray(sheet)[y, [start, start + 28, end - 29, end - 1]], [PAPER] * 4)
    assert np.array_equal(np.asarray(sheet)[y, [start + 30, end - 31]], [(255, 0, 0)] * 2)


def test_large_pictures_are_made_smaller_where_asked_and_keep_their_shape() -> None:
    pictures = ((Image.new("RGB", (1000, 500), "red"),), (Image.new("RGB", (500, 1000), "red"),))
    sheet = render(Sheet("t", "f", ("before",), PROMPTS[:2], pictures, largest_px=200))
    red = (np.asarray(sheet) == (255, 0, 0)).all(axis=2)
    assert (int(red.any(axis=0).sum()), int(red.any(axis=1).sum()), int(red.sum())) == (200, 300, 2 * 200 * 100)


def test_letters_are_larger_on_a_wide_sheet() -> None:
    def height(columns: int) -> int:
        pictures = (tuple(Image.new("RGB", (256, 256), "red") for _ in range(columns)),)
        sheet = np.asarray(render(Sheet("TITLE", "f", ("a",) * columns, PROMPTS[:1], pictures)))
        is_dark = (sheet.astype(int).sum(axis=2) < 300).any(axis=1)
        start = int(is_dark.argmax())
        return int((~is_dark[start:]).argmax())

    assert height(12) > 2 * height(2)


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text("ab ,猫я\u0301🎀\n", max_size=200)


@given(TEXTS, st.sampled_from([13, 37]), st.integers(60, 400), st.integers(1, 6))
def test_no_line_is_wider_than_its_place(text: str, size: int, width: int, most: int) -> None:
    lines = wrapped(text, size=size, width=width, most=most)
    assert len(lines) <= most
    assert all(width_of(one, size) <= width for one in [*lines, shortened(text, size=size, width=width)])
    if text.strip():
        assert lines
    if not lines or not lines[-1].endswith("..."):
        assert "".join("".join(lines).split()) == "".join(text.split())


def test_the_png_says_what_it_is() -> None:
    content = png(picture((8, 8), 0), [("Title", "sks")])
    with Image.open(BytesIO(content)) as image:
        assert image.info["Title"] == "sks"
