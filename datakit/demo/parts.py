"""What the parts of the DiceBear style "adventurer" show, in danbooru's words.

One table per kind of part. A variant that is missing here is never drawn, so that every tag that is
written was decided by looking at the picture, and a tag that is not written is not in the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

STYLE: Final = "adventurer"

ALWAYS: Final = ("head_only", "no_nose", "solo")
"""True of each picture: one head without a nose, nobody else."""

HAIR: Final[Mapping[str, tuple[str, ...]]] = {
    "long02": ("short_hair", "ahoge"),
    "long03": ("short_hair", "ahoge", "hair_flower", "hair_ornament", "flower"),
    "long07": ("long_hair", "blunt_bangs"),
    "long08": ("long_hair", "blunt_bangs", "head_wreath", "flower"),
    "long09": ("long_hair", "wavy_hair"),
    "long13": ("double_bun", "hair_bun"),
    "long14": ("low_twintails", "twintails"),
    "long15": ("twintails", "blunt_bangs"),
    "long16": ("long_hair", "single_braid", "braid"),
    "long18": ("wavy_hair", "hair_flower", "hair_ornament", "flower"),
    "long19": ("long_hair", "ponytail"),
    "long22": ("curly_hair", "medium_hair"),
    "short01": ("short_hair",),
    "short06": ("short_hair", "hair_between_eyes"),
    "short09": ("short_hair",),
    "short16": ("short_hair", "spiky_hair"),
}

EAR_SHOWS: Final = frozenset({"long07", "long08", "long09", "long13", "long14", "long15", "long16", "short09"})
"""Hair that leaves the whole ear free, so that an earring can be seen."""

EYES: Final[Mapping[str, tuple[str, ...]]] = {
    "variant03": ("eyelashes",),
    "variant16": ("half-closed_eyes",),
    "variant19": ("closed_eyes",),
    "variant20": ("closed_eyes",),
    "variant21": ("one_eye_closed",),
    "variant22": ("one_eye_closed",),
    "variant23": ("sparkling_eyes",),
    "variant24": (),
}

EYEBROWS: Final[Mapping[str, tuple[str, ...]]] = {
    "variant01": ("thick_eyebrows", "v-shaped_eyebrows"),
    "variant02": ("v-shaped_eyebrows",),
    "variant07": (),
    "variant10": (),
    "variant12": (),
    "variant13": (),
}

MOUTH: Final[Mapping[str, tuple[str, ...]]] = {
    "variant01": (":d", "open_mouth", "smile"),
    "variant02": ("closed_mouth", "smile"),
    "variant03": ("open_mouth",),
    "variant04": ("closed_mouth", "frown"),
    "variant09": ("closed_mouth", "expressionless"),
    "variant11": ("clenched_teeth", "teeth"),
    "variant15": ("open_mouth", "teeth", "tongue"),
    "variant16": (":p", "tongue", "tongue_out"),
    "variant23": ("grin", "smile", "teeth"),
    "variant27": (":d", "open_mouth", "smile", "tongue"),
}

GLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "variant01": ("sunglasses",),
    "variant02": ("glasses", "black-framed_eyewear"),
    "variant04": ("glasses", "round_eyewear"),
}

DETAILS: Final[Mapping[str, tuple[str, ...]]] = {
    "birthmark": ("mole", "mole_under_mouth"),
    "blush": ("blush_stickers",),
    "freckles": ("freckles",),
    "mustache": ("facial_hair", "mustache"),
}

EARRINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "variant02": ("earrings", "jewelry"),
    "variant06": ("earrings", "jewelry", "stud_earrings"),
}

HAIR_COLOURS: Final[Mapping[str, str]] = {
    "#2b2b33": "black_hair",
    "#3a6fd8": "blue_hair",
    "#f09ac0": "pink_hair",
    "#f2d35c": "blonde_hair",
    "#7a4a26": "brown_hair",
    "#c8322b": "red_hair",
    "#f4f4f6": "white_hair",
    "#3f9d4b": "green_hair",
    "#8050b8": "purple_hair",
}

EYE_COLOURS: Final[Mapping[str, str]] = {
    "#1c7a3a": "green_eyes",
    "#1f5fc4": "blue_eyes",
    "#7b4420": "brown_eyes",
    "#c01f2e": "red_eyes",
    "#7a35b0": "purple_eyes",
    "#d9a400": "yellow_eyes",
}

DARK_SKIN: Final = frozenset({"#9e5622", "#763900"})
SKIN: Final = frozenset({"#f2d3b1", "#ecad80"}) | DARK_SKIN

_TABLES: Final = (
    ("hairVariant", HAIR),
    ("eyebrowsVariant", EYEBROWS),
    ("mouthVariant", MOUTH),
    ("glassesVariant", GLASSES),
    ("detailsVariant", DETAILS),
    ("earringsVariant", EARRINGS),
)


def tags_of(parts: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags that an avatar's own list of parts makes true, sorted.

    Raises:
        KeyError: a part or a colour that no table describes.
    """
    tags = set(ALWAYS)
    for name, table in _TABLES:
        if parts.get(name) is not None:
            tags.update(table[parts[name]])
    tags.add(HAIR_COLOURS[parts["hairColor"][0]])
    if parts["skinColor"][0] in DARK_SKIN:
        tags.add("dark_skin")
    if parts.get("glassesVariant") != "variant01":
        tags.update(_eye_tags(parts))
    return tuple(sorted(tags))


def _eye_tags(parts: Mapping[str, Any]) -> set[str]:
    """Dark glasses hide the eyes, and a closed eye hides its colour."""
    shape = EYES[parts["eyesVariant"]]
    colour = () if "closed_eyes" in shape else (EYE_COLOURS[parts["eyesColor"][0]],)
    return {*shape, *colour}
