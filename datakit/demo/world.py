"""The scrape's pictures: portraits of the named characters, on canvases of several shapes, in danbooru's words."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from datakit.demo.background import paint
from datakit.demo.portraits import adventurer
from datakit.demo.portraits.contract import Look
from datakit.demo.portraits.drawing import draw, tags_of
from datakit.demo.portraits.grounds import GROUNDS, PLAIN_NAMES
from datakit.demo.portraits.lots import character_looks
from datakit.demo.portraits.styles import STYLES

STYLE: Final = adventurer.STYLE

SIZES_PX: Final = ((256, 256), (192, 192), (224, 224), (256, 256), (192, 256), (240, 240), (256, 256), (208, 208))
"""(width, height): mostly squares, and another shape, so that a bake has buckets to make."""

CLUTTER: Final = ("no_nose",)
"""True of each picture of the style, and of no use to anybody."""

SITE_WORDS: Final = {"spiky_hair": "spiked_hair"}
"""Tag of the sample world: danbooru's name for it, where that is another."""

NOWHERE: Final = "transparent_background"
BACKGROUNDS: Final = (*PLAIN_NAMES, NOWHERE, "gradient_background")
"""Plain for the most part: patterns are new to the base model, and would become part of what a trigger means."""


@dataclass(frozen=True)
class Shot:
    """What a picture is to show, and its canvas."""

    name: str
    """Of the character."""
    look: Look
    size_px: tuple[int, int]
    """(Width, height)."""


@dataclass(frozen=True)
class Picture:
    """A drawn PNG file and the truth about it."""

    png: bytes
    shot: Shot
    general: tuple[str, ...]
    """General tags, sorted."""

    @property
    def name(self) -> str:
        """The character's name."""
        return self.shot.name

    @property
    def size_px(self) -> tuple[int, int]:
        """(Width, height)."""
        return self.shot.size_px

    @property
    def character_tag(self) -> str:
        """With the qualifier that danbooru gives to short names."""
        return f"{self.name}_(dsk)"

    @property
    def is_transparent(self) -> bool:
        """Whether its background can be seen through."""
        return self.shot.look.background == NOWHERE


def shots(name: str, count: int, *, seed: int) -> list[Shot]:
    """Shots that differ in mood, background and shape; the second is the first with another mouth.

    Mouths, backgrounds and shapes are dealt in turn from shuffled decks: few pictures show many of them.
    """
    random = Random(f"{seed}/{name}")
    mouth = next(part for part in STYLE.others if part.option == "mouth")
    mouths, grounds = _deck(random, mouth.variants), _deck(random, BACKGROUNDS)
    first = random.randrange(len(SIZES_PX))
    dealt = []
    for i, look in enumerate(character_looks(name, count, seed=seed)):
        parts = {**look.parts, mouth.option: mouths[i % len(mouths)]}
        look = replace(look, parts=parts, background=grounds[i % len(grounds)])
        dealt.append(Shot(name, look, SIZES_PX[(first + i) % len(SIZES_PX)]))
    if count > 1:
        twin = replace(dealt[0].look, parts={**dealt[0].look.parts, mouth.option: mouths[1]})
        dealt[1] = replace(dealt[0], look=twin)
    return dealt


def shoot(shot: Shot) -> Picture:
    """One picture: RGBA where its background is transparent, else RGB.

    Raises:
        StateError: the drawing packages are not installed.
    """
    side = min(shot.size_px)
    figure = draw(replace(shot.look, background=NOWHERE), side)
    canvas = paint(GROUNDS[shot.look.background], shot.size_px)
    # In the middle, down to the lower edge, which long hair runs into.
    canvas.alpha_composite(figure, ((shot.size_px[0] - side) // 2, shot.size_px[1] - side))
    file = io.BytesIO()
    (canvas if shot.look.background == NOWHERE else canvas.convert("RGB")).save(file, "PNG")
    return Picture(file.getvalue(), shot, site_tags(shot.look))


def site_tags(look: Look) -> tuple[str, ...]:
    """What danbooru would say of it, sorted: there no tag names the style, and some tags have other names."""
    told = {SITE_WORDS.get(tag, tag) for tag in tags_of(look)} - {STYLES[look.style].tag}
    return tuple(sorted({*told, *CLUTTER}))


def _deck(random: Random, cards: Iterable[str]) -> list[str]:
    dealt = list(cards)
    random.shuffle(dealt)
    return dealt
