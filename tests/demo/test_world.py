"""The drawn pictures show what their tags say: read back from the pixels, not from the tables."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageColor

from datakit.demo import parts
from datakit.demo.background import BACKGROUNDS
from datakit.demo.world import CHARACTERS, SIZES_PX, Picture, Scene, draw, scenes

PLAIN = next(ground for ground in BACKGROUNDS if ground.tags[-1] == "grey_background")
SCENE = Scene(eyes="variant24", eyebrows="variant10", mouth="variant02", background=PLAIN, size_px=(256, 256))
SEEDS = (0, 20)


def image_of(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.png))


def share(picture: Picture, colour: str) -> float:
    """Share of the pixels that have nearly this colour and are opaque."""
    pixels = np.asarray(image_of(picture).convert("RGBA")).astype(int)
    near = np.abs(pixels[..., :3] - ImageColor.getrgb(colour)).max(axis=-1) < 9
    return float((near & (pixels[..., 3] > 250)).mean())


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [
        draw(character, scene)
        for seed in SEEDS
        for character in CHARACTERS.values()
        for scene in scenes(character, 6, seed=seed)
    ]


def test_hair_colour_is_in_the_picture(pictures: list[Picture]) -> None:
    for picture in pictures:
        for colour, tag in parts.HAIR_COLOURS.items():
            if tag in picture.general:
                assert share(picture, colour) > 0.05, (picture.character.name, tag)


def test_eye_colour_is_tagged_exactly_where_an_eye_shows(pictures: list[Picture]) -> None:
    for picture in pictures:
        colour = picture.character.fixed["eyesColor"]
        tagged = parts.EYE_COLOURS[colour] in picture.general
        assert tagged == (share(picture, colour) > 0.0005), (picture.character.name, picture.general)


def test_transparent_background_is_tagged_exactly_where_pixels_are_transparent(pictures: list[Picture]) -> None:
    for picture in pictures:
        image = image_of(picture)
        has_holes = image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == 0
        assert has_holes == picture.transparent == ("transparent_background" in picture.general)


def test_simple_background_fills_the_upper_corners(pictures: list[Picture]) -> None:
    for picture in pictures:
        image = image_of(picture).convert("RGBA")
        corners = {image.getpixel((0, 0)), image.getpixel((image.width - 1, 0))}
        if "simple_background" in picture.general:
            assert len(corners) == 1


def test_every_size_has_that_size(pictures: list[Picture]) -> None:
    assert {image_of(picture).size for picture in pictures} == set(SIZES_PX)
    assert all(image_of(picture).size == picture.size_px for picture in pictures)


@pytest.mark.parametrize("name", sorted(CHARACTERS))
def test_one_count_tag_and_no_contradicting_mouth(name: str, pictures: list[Picture]) -> None:
    for picture in (picture for picture in pictures if picture.character.name == name):
        assert len({"1girl", "1boy"} & set(picture.general)) == 1
        assert not {"open_mouth", "closed_mouth"} <= set(picture.general)
        assert list(picture.general) == sorted(set(picture.general))


@pytest.mark.parametrize(
    ("change", "tag"),
    [
        ({"glassesVariant": "variant02"}, "black-framed_eyewear"),
        ({"glassesVariant": "variant01"}, "sunglasses"),
        ({"earringsVariant": "variant02"}, "earrings"),
        ({"detailsVariant": "mustache"}, "mustache"),
        ({"detailsVariant": "birthmark"}, "mole_under_mouth"),
    ],
)
def test_an_accessory_changes_both_tags_and_pixels(change: dict[str, str], tag: str) -> None:
    mika = replace(CHARACTERS["mika"], fixed={**CHARACTERS["mika"].fixed, "detailsVariant": "freckles"})
    without, with_it = draw(mika, SCENE), draw(mika, replace(SCENE, extra=change))
    assert tag in with_it.general
    assert tag not in without.general
    assert without.png != with_it.png


def test_dark_glasses_hide_the_eyes() -> None:
    picture = draw(CHARACTERS["sora"], replace(SCENE, extra={"glassesVariant": "variant01"}))
    assert not {"glasses", "blue_eyes"} & set(picture.general)


def test_a_part_that_no_table_describes_is_refused() -> None:
    with pytest.raises(KeyError):
        draw(CHARACTERS["aria"], replace(SCENE, mouth="variant30"))


def test_characters_keep_their_traits(pictures: list[Picture]) -> None:
    for name, character in CHARACTERS.items():
        own = [set(picture.general) for picture in pictures if picture.character is character]
        always = set.intersection(*own)
        assert {character.count, *parts.HAIR[character.fixed["hairVariant"]]} <= always, name
