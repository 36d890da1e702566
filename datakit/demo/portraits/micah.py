"""Micah: busts with thick outlines, looking aside."""

from __future__ import annotations

from datakit.demo.portraits.contract import ABSENT, Part, Style

STYLE = Style(
    name="micah",
    artist="Micah Lanier",
    licence="CC BY 4.0",
    source="https://dribbble.com/micahlanier",
    hair=Part(
        "hair",
        {
            "full": ("1girl", "long_hair"),
            "pixie": ("1girl", "medium_hair"),
            "fonze": ("1boy", "short_hair"),
            "dannyPhantom": ("1boy", "short_hair"),
        },
        {"full": 2, "pixie": 1.5},
        optional=True,
    ),
    others=(
        Part("eyes", {"eyes": (), "smiling": ("closed_eyes",)}, {"eyes": 3}),
        Part("eyebrows", {"up": ()}),
        Part(
            "mouth",
            {
                "smile": ("smile", "closed_mouth"),
                "laughing": ("smile", "open_mouth"),
                "surprised": ("open_mouth",),
                "frown": ("frown", "closed_mouth"),
            },
        ),
        Part("glasses", {ABSENT: (), "round": ("glasses",), "square": ("glasses",)}, {ABSENT: 4}, optional=True),
        Part("facialHair", {ABSENT: (), "beard": ("beard",)}, {ABSENT: 3}, optional=True),
        Part("earrings", {ABSENT: ()}, optional=True),
        Part("clothes", {"crew": ()}),
        Part("nose", {"curve": ()}),
        Part("ears", {"attached": ()}),
    ),
    skin=("baseColor",),
    shirt=("shirtColor",),
    hair_colour=("hairColor", "facialHairColor"),
    fixed={"glassesColor": ["#222222"], "eyebrowsColor": ["#222222"], "eyesColor": ["#222222"]},
    only={"facialHair": "1boy"},
)
