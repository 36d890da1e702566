"""Personas: busts of flat shapes, seen from the front, some with hats."""

from __future__ import annotations

from datakit.demo.portraits.contract import ABSENT, Part, Style

STYLE = Style(
    name="personas",
    artist="Draftbit",
    licence="CC BY 4.0",
    source="https://personas.draftbit.com",
    hair=Part(
        "hair",
        {
            "extraLong": ("1girl", "long_hair"),
            "bobCut": ("1girl", "medium_hair"),
            "pigtails": ("1girl", "twintails"),
            "curly": ("1girl", "curly_hair", "medium_hair"),
            "shortCombover": ("1boy", "short_hair"),
            "beanie": ("1boy", "hat", "beanie"),
            "cap": ("1boy", "hat", "baseball_cap"),
        },
    ),
    others=(
        Part(
            "eyes",
            {
                "open": (),
                "happy": ("closed_eyes",),
                "wink": ("one_eye_closed",),
                "glasses": ("glasses",),
                "sunglasses": ("sunglasses",),
            },
            {"open": 2, "glasses": 1.5},
        ),
        Part(
            "mouth",
            {
                "smile": ("smile", "closed_mouth"),
                "bigSmile": ("smile", "open_mouth"),
                "surprise": ("open_mouth",),
                "frown": ("frown", "closed_mouth"),
            },
        ),
        Part("nose", {"smallRound": ()}),
        Part("facialHair", {ABSENT: (), "goatee": ("beard",)}, {ABSENT: 2}, optional=True),
        Part("clothes", {"squared": ()}),
    ),
    shirt=("clothingColor",),
    hair_colour=("hairColor", "facialHairColor"),
    only={"facialHair": "1boy"},
)
