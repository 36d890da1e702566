"""The sample world: its pictures and captions are the same everywhere, and its tags are true and known."""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import ImageColor

from datakit.demo.portraits.cast import CHARACTERS
from datakit.demo.portraits.contract import ABSENT, Look, Style
from datakit.demo.portraits.drawing import draw, tags_of
from datakit.demo.portraits.grounds import GROUNDS
from datakit.demo.portraits.lots import BLANK, HELD_OUT, Variety, base_looks, character_looks, look, looks
from datakit.demo.portraits.palette import HAIR, SHIRTS, SKIN
from datakit.demo.portraits.styles import BASE_STYLES, HELD_OUT_STYLES, STYLES, TAUGHT_STYLE
from datakit.demo.portraits.writing import MANIFEST, caption, write
from datakit.errors import InputError

VOCABULARY = Path(__file__).parents[3] / "shared" / "data" / "danbooru.csv"
CAPTIONS_OF_20 = "c1383fcf8437159b53c32fa09e170b28b2b62ffd537570ac87aba127245fda62"
"""SHA-256 of what the shipped base's first captions were: the base cannot be made again where this changes."""
EVERYWHERE = {"1girl", "1boy"}


def each_variant(style: Style) -> Iterator[Look]:
    """A look for each variant of each part, all else being the first of its part."""
    plain = look(style, Random(style.name))
    first = {part.option: next(iter(part.variants)) for part in (style.hair, *style.others)}
    for part in (style.hair, *style.others):
        for variant in part.variants:
            yield replace(plain, parts={**first, part.option: variant}, background="green_background")


def test_base_captions_stay_as_they_were() -> None:
    lines = [caption(tags_of(look)) for look in base_looks(20, seed=1)]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == CAPTIONS_OF_20


def test_base_shows_its_own_styles_and_no_character() -> None:
    styles = set()
    for drawn in base_looks(3000, seed=1):
        tags = set(tags_of(drawn))
        assert not [traits for traits in HELD_OUT if traits <= tags]
        styles.add(drawn.style)
    assert styles == set(BASE_STYLES)
    assert TAUGHT_STYLE in HELD_OUT_STYLES
    assert set(HELD_OUT_STYLES) | styles == set(STYLES)


def test_held_out_sets_are_the_four_that_the_base_was_trained_without() -> None:
    assert (
        {"blue_hair", "braid"},
        {"pink_hair", "twintails"},
        {"white_hair", "ponytail"},
        {"blonde_hair", "spiky_hair"},
    ) == HELD_OUT


def test_two_runs_are_equal_byte_for_byte(tmp_path: Path) -> None:
    styles = dict.fromkeys(STYLES, 1.0)
    for name in "ab":
        write(tmp_path / name, looks(12, seed=3, styles=styles), size_px=48)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 25
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_manifest_credits_each_picture(tmp_path: Path) -> None:
    write(tmp_path, looks(6, seed=1, styles={"lorelei": 1}), size_px=32)
    records = [json.loads(line) for line in (tmp_path / MANIFEST).read_text("utf-8").splitlines()]
    assert [record["file"] for record in records] == [f"{n:06d}.png" for n in range(6)]
    assert {record["credit"]["artist"] for record in records} == {"Lisa Wischofsky"}
    assert all(
        (tmp_path / record["file"]).with_suffix(".txt").read_text() == caption(record["tags"]) for record in records
    )


@pytest.mark.parametrize("name", STYLES)
def test_licence_and_source_are_those_of_the_style_itself(name: str) -> None:
    meta = json.loads((resources.files("dicebear_styles") / f"{name}.json").read_text("utf-8"))["meta"]
    style = STYLES[name]
    assert style.licence in {"CC0 1.0", "CC BY 4.0"}
    assert meta["creator"]["name"].startswith(style.artist)
    assert style.licence == meta["license"]["name"]
    assert style.source in {meta["source"]["url"], meta["creator"]["url"], *BY_HAND.values()}


BY_HAND = {
    "micah": "https://dribbble.com/micahlanier",
    "toon-head": "https://www.johanmelin.com",
    "personas": "https://personas.draftbit.com",
}
"""Sources of the frozen styles that name the artist's own page."""


@pytest.mark.parametrize("name", STYLES)
def test_every_variant_is_drawn_and_differs(name: str) -> None:
    style = STYLES[name]
    blank = np.asarray(GROUNDS["green_background"].colours[0])
    seen: dict[bytes, Look] = {}
    for drawn in each_variant(style):
        tags = set(tags_of(drawn))
        assert {"solo", style.tag, "green_background"} <= tags
        assert len(tags & EVERYWHERE) == 1, "hair names 1girl or 1boy"
        pixels = np.asarray(draw(drawn, 64).convert("RGB"))
        assert (np.abs(pixels.astype(int) - blank).max(axis=-1) > 12).mean() > 0.15
        twin = seen.setdefault(pixels.tobytes(), drawn)
        assert twin.parts == drawn.parts, "two variants that look the same"


@pytest.mark.parametrize("name", STYLES)
def test_every_component_is_decided(name: str) -> None:
    """A component that no table names would be drawn by the library's own lot."""
    components = json.loads((resources.files("dicebear_styles") / f"{name}.json").read_text("utf-8"))["components"]
    style = STYLES[name]
    parts = {part.option: part for part in (style.hair, *style.others)}
    left = set(components) - {style.pair} - set(parts)
    assert all(len(components[name]["variants"]) == 1 and "probability" not in components[name] for name in left)
    for option, part in parts.items():
        shown = {variant.partition("+")[0] for variant in part.variants} - {ABSENT}
        assert shown <= set(components[option]["variants"])
        assert part.optional == (components[option].get("probability") is not None)
        assert set(part.weights) <= set(part.variants)


@pytest.mark.parametrize("name", STYLES)
def test_colours_are_in_the_picture(name: str) -> None:
    style = STYLES[name]
    plain = replace(
        next(each_variant(style)), hair_colour="purple_hair", background="grey_background", shirt="", skin=""
    )
    drawn = replace(plain, shirt=next(iter(SHIRTS)) if style.shirt else "", skin=next(iter(SKIN)) if style.skin else "")
    pixels = np.asarray(draw(drawn, 128).convert("RGB")).astype(int)
    wanted = [HAIR["purple_hair"], *([SHIRTS[drawn.shirt]] if style.shirt else []), drawn.skin or "#ffffff"]
    for colour in wanted:
        near = np.abs(pixels - ImageColor.getrgb(colour)).max(axis=-1) < 9
        assert near.mean() > 0.01, colour


def test_tags_are_of_the_vocabulary() -> None:
    if not VOCABULARY.exists():
        pytest.skip(f"{VOCABULARY} is not here")
    with VOCABULARY.open(encoding="utf-8", newline="") as file:
        known = {row[0] for row in csv.reader(file)}
    tags = {tag for style in STYLES.values() for drawn in each_variant(style) for tag in tags_of(drawn)}
    tags |= {tag for ground in GROUNDS.values() for tag in ground.tags} | set(HAIR) | set(SHIRTS)
    assert {tag for tag in tags if tag not in known} <= {"spiky_hair", *(style.tag for style in STYLES.values())}


def test_white_hair_is_never_drawn_on_white_paper() -> None:
    drawn = list(looks(600, seed=2, styles={"lorelei": 1}, grounds=tuple(GROUNDS)))
    assert any(one.hair_colour == "white_hair" for one in drawn)
    assert not [one for one in drawn if one.hair_colour == "white_hair" and one.background in BLANK]


def test_variety_changes_no_figure() -> None:
    plain = list(looks(40, seed=5))
    varied = list(looks(40, seed=5, variety=Variety(flips=0.5, rotation_deg=6)))
    assert {one.flip for one in varied} == {True, False}
    assert len({one.rotate_deg for one in varied}) > 5
    assert [replace(one, flip=False, rotate_deg=0) for one in varied] == plain


@pytest.mark.parametrize("name", CHARACTERS)
def test_a_character_keeps_its_traits(name: str) -> None:
    drawn = list(islice(character_looks(name, 30, seed=1), 30))
    assert all(CHARACTERS[name].traits <= set(tags_of(one)) for one in drawn)
    assert len({(one.parts["hair"], one.hair_colour, one.skin) for one in drawn}) == 1
    assert len({one.parts["mouth"] for one in drawn}) == 4
    if CHARACTERS[name].glasses:
        assert all("glasses" in tags_of(one) for one in drawn)


def test_a_style_without_such_hair_says_so() -> None:
    with pytest.raises(InputError, match="'lorelei' cannot draw aria"):
        list(character_looks("aria", 1, seed=1, style="lorelei"))
    with pytest.raises(InputError, match="no character 'bob'"):
        list(character_looks("bob", 1, seed=1))
