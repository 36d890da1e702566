"""Looks drawn by lot, and which of them the base model is never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType
from typing import Final

from datakit.demo.portraits.cast import CHARACTERS, Character
from datakit.demo.portraits.contract import ABSENT, Look, Part, Style
from datakit.demo.portraits.drawing import tags_of
from datakit.demo.portraits.grounds import PLAIN_NAMES
from datakit.demo.portraits.palette import HAIR, SHIRTS, SKIN
from datakit.demo.portraits.styles import BASE_STYLES, STYLES
from datakit.errors import InputError

HELD_OUT: Final = tuple(character.traits for character in CHARACTERS.values())
"""Traits of the named characters: no picture that shows all of one set is shown to the base model."""

BLANK: Final = frozenset({"white_background", "transparent_background"})


@dataclass(frozen=True)
class Variety:
    """How figures are placed; as it stands, as the base model is shown them."""

    flips: float = 0.0
    """Share of the pictures that are mirrored."""
    rotation_deg: int = 0
    """Figures are turned by up to this much to either side, whole degrees."""


UPRIGHT: Final = Variety()


def held_out(look: Look) -> bool:
    """Whether it looks like one of the named characters."""
    tags = set(tags_of(look))
    return any(traits <= tags for traits in HELD_OUT)


def base_looks(count: int, *, seed: int) -> Iterator[Look]:
    """What the base model is trained on: `count` looks less those held out."""
    return (look for look in looks(count, seed=seed) if not held_out(look))


def looks(
    count: int,
    *,
    seed: int,
    styles: Mapping[str, float] = BASE_STYLES,
    grounds: Sequence[str] = PLAIN_NAMES,
    variety: Variety = UPRIGHT,
) -> Iterator[Look]:
    """`count` looks, each decided by the seed and its number alone; `grounds` are keys of `grounds.GROUNDS`."""
    for number in range(count):
        random = Random(f"{seed}/{number}")
        yield _turned(look(STYLES[_lot(random, styles)], random, grounds), random, variety)


def character_looks(
    name: str,
    count: int,
    *,
    seed: int,
    style: str = "adventurer",
    grounds: Sequence[str] = PLAIN_NAMES,
    variety: Variety = UPRIGHT,
) -> Iterator[Look]:
    """`count` looks of a named character: its hair, colours and glasses fixed, all else by lot.

    Raises:
        InputError: no such character, or the style has no hair like theirs.
    """
    character = _character(name)
    fixed = _fixed(character, STYLES[style])
    skin = character.skin if STYLES[style].skin else ""

    def drawn(number: int) -> Look:
        random = Random(f"{name}/{seed}/{number}")
        one = look(STYLES[style], random, grounds, fixed=fixed, hair_colour=character.hair_colour)
        return _turned(replace(one, skin=skin), random, variety)

    return map(drawn, range(count))  # no generator: what is wrong with the request is said at once


def look(
    style: Style,
    random: Random,
    grounds: Sequence[str] = PLAIN_NAMES,
    *,
    fixed: Mapping[str, str] = MappingProxyType({}),
    hair_colour: str = "",
) -> Look:
    """One look of a style; the variants in `fixed` and the hair's colour, where given, are not drawn by lot."""
    hair = fixed.get(style.hair.option) or _variant(random, style.hair)
    of_hair = style.hair.variants[hair]
    parts = {style.hair.option: hair}
    for part in style.others:
        needed = style.only.get(part.option)
        parts[part.option] = _variant(random, part) if needed is None or needed in of_hair else ABSENT
    colour = random.choice(tuple(HAIR))
    return Look(
        style=style.name,
        parts={**parts, **fixed},
        hair_colour=hair_colour or colour,
        skin=_lot(random, {colour: 1 if tags else 3 for colour, tags in SKIN.items()}) if style.skin else "",
        shirt=random.choice(tuple(SHIRTS)) if style.shirt else "",
        background=random.choice(_seen_against(style, hair_colour or colour, grounds)),
    )


def _turned(drawn: Look, random: Random, variety: Variety) -> Look:
    flip = variety.flips > 0 and random.random() < variety.flips
    turn = random.randint(-variety.rotation_deg, variety.rotation_deg) if variety.rotation_deg else 0
    return replace(drawn, flip=flip, rotate_deg=turn)


def _character(name: str) -> Character:
    if name not in CHARACTERS:
        raise InputError(f"there is no character {name!r}", hint=f"characters are {', '.join(CHARACTERS)}")
    return CHARACTERS[name]


def _fixed(character: Character, style: Style) -> dict[str, str]:
    """The variants that show a character's hair and glasses in a style."""
    fixed = {style.hair.option: _first(style.hair, character.hair)}
    if character.glasses:
        part = next((part for part in style.others if _first(part, "glasses")), None)
        fixed[part.option if part else "glasses"] = _first(part, "glasses") if part else ""
    if not all(fixed.values()):
        raise InputError(
            f"style {style.name!r} cannot draw {character.name}: it has no {character.hair} or no glasses",
            hint="adventurer draws every character",
        )
    return fixed


def _first(part: Part, tag: str) -> str:
    return next((name for name, tags in part.variants.items() if tag in tags), "")


def _seen_against(style: Style, hair_colour: str, grounds: Sequence[str]) -> tuple[str, ...]:
    """White hair around a white face is lost on white paper, and so is its tag's truth."""
    lost = BLANK if not style.skin and hair_colour == "white_hair" else frozenset()
    return tuple(ground for ground in grounds if ground not in lost) or tuple(grounds)


def _variant(random: Random, part: Part) -> str:
    return _lot(random, {name: part.weights.get(name, 1) for name in part.variants})


def _lot(random: Random, weights: Mapping[str, float]) -> str:
    return random.choices(tuple(weights), tuple(weights.values()))[0]
