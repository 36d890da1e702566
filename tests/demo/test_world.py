"""The drawn pictures show what their tags say: read back from the pixels, not from the tables."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from datakit.demo.portraits.cast import CHARACTERS
from datakit.demo.portraits.palette import HAIR
from datakit.demo.world import BACKGROUNDS, NOWHERE, SITE_WORDS, SIZES_PX, Picture, shoot, shots, site_tags

SEEDS = (0, 28)
WORDS = Path(__file__).parents[2].parent / "shared" / "data" / "danbooru.csv"


def image_of(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.png))


def share(picture: Picture, colour: str) -> float:
    """Share of the pixels that have nearly this colour and are opaque."""
    pixels = np.asarray(image_of(picture).convert("RGBA")).astype(int)
    near = np.abs(pixels[..., :3] - ImageColor.getrgb(colour)).max(axis=-1) < 9
    return float((near & (pixels[..., 3] > 250)).mean())


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    pytest.importorskip("dicebear", reason="the pictures are drawn with the packages of the dev extra")
    return [shoot(shot) for seed in SEEDS for name in CHARACTERS for shot in shots(name, 8, seed=seed)]


def test_hair_colour_is_in_the_picture(pictures: list[Picture]) -> None:
    for picture in pictures:
        told = set(HAIR) & set(picture.general)
        assert told == {CHARACTERS[picture.name].hair_colour}
        assert share(picture, HAIR[told.pop()]) > 0.05, picture.name


def test_glasses_are_lines_on_the_face() -> None:
    """Taking aria's glasses off changes the picture in the middle alone, and the tag with it."""
    shot = replace(shots("aria", 1, seed=0)[0], size_px=(192, 192))
    bare = replace(shot, look=replace(shot.look, parts={**shot.look.parts, "glasses": ""}))
    with_them, without = shoot(shot), shoot(bare)
    assert set(with_them.general) - set(without.general) == {"glasses"}
    changed = np.argwhere(np.asarray(image_of(with_them)) != np.asarray(image_of(without)))
    assert len(changed) > 500
    assert changed[:, 0].min() > 40


def test_transparent_background_is_tagged_exactly_where_pixels_are_transparent(pictures: list[Picture]) -> None:
    for picture in pictures:
        image = image_of(picture)
        has_holes = image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == 0
        assert has_holes == picture.is_transparent == (NOWHERE in picture.general)
    assert any(picture.is_transparent for picture in pictures)


def test_simple_background_fills_the_upper_corners(pictures: list[Picture]) -> None:
    for picture in pictures:
        image = image_of(picture).convert("RGBA")
        corners = {image.getpixel((0, 0)), image.getpixel((image.width - 1, 0))}
        if "simple_background" in picture.general:
            assert len(corners) == 1


def test_every_size_has_that_size_and_most_are_squares(pictures: list[Picture]) -> None:
    assert {image_of(picture).size for picture in pictures} == set(SIZES_PX)
    assert all(image_of(picture).size == picture.size_px for picture in pictures)
    assert sum(width == height for width, height in SIZES_PX) > len(SIZES_PX) / 2
    assert all(192 <= side <= 256 for size in SIZES_PX for side in size)


def test_every_background_comes_before_one_comes_again() -> None:
    for name in CHARACTERS:
        # The second is a variant of the first.
        grounds = [shot.look.background for shot in shots(name, len(BACKGROUNDS), seed=3)]
        assert len({*grounds[:1], *grounds[2:]}) == len(BACKGROUNDS) - 1


def test_the_second_is_the_first_with_another_mouth() -> None:
    for name in CHARACTERS:
        one, other = shots(name, 2, seed=3)
        assert {option for option in one.look.parts if one.look.parts[option] != other.look.parts[option]} == {"mouth"}
        assert replace(other, look=replace(other.look, parts=one.look.parts)) == one


@pytest.mark.parametrize("name", sorted(CHARACTERS))
def test_one_count_tag_and_no_contradicting_mouth(name: str, pictures: list[Picture]) -> None:
    for picture in (picture for picture in pictures if picture.name == name):
        assert len({"1girl", "1boy"} & set(picture.general)) == 1
        assert not {"open_mouth", "closed_mouth"} <= set(picture.general)
        assert list(picture.general) == sorted(set(picture.general))


def test_characters_keep_their_traits(pictures: list[Picture]) -> None:
    for name, character in CHARACTERS.items():
        always = set.intersection(*(set(picture.general) for picture in pictures if picture.name == name))
        assert {SITE_WORDS.get(tag, tag) for tag in character.traits} <= always, name
        assert ("glasses" in always) == character.glasses


def test_every_word_is_danbooru_s_own(pictures: list[Picture]) -> None:
    if not WORDS.is_file():
        pytest.skip(f"{WORDS} is not here: there is no list to look words up in")
    with WORDS.open(encoding="utf-8", newline="") as file:
        known = {row[0] for row in csv.reader(file) if row}
    used = {tag for picture in pictures for tag in picture.general}
    assert used <= known, sorted(used - known)
    assert not set(SITE_WORDS) & used
    assert "spiked_hair" in site_tags(shots("sora", 1, seed=0)[0].look)
