"""Toon Head: busts seen from the front, without outlines."""

from __future__ import annotations

from datakit.demo.portraits.contract import ABSENT, Part, Style

STYLE = Style(
    name="toon-head",
    artist="Johan Melin",
    licence="CC BY 4.0",
    source="https://www.johanmelin.com",
    hair=Part(
        "hair",
        {
            "bun": ("1girl", "hair_bun"),
            "sideComed+longStraight": ("1girl", "long_hair"),
            "sideComed+longWavy": ("1girl", "long_hair", "wavy_hair"),
            "sideComed+neckHigh": ("1girl", "medium_hair"),
            "sideComed": ("1boy", "short_hair"),
            "spiky": ("1boy", "short_hair", "spiky_hair"),
        },
        optional=True,
    ),
    pair="rearHair",
    others=(
        Part(
            "eyes",
            {"happy": (), "humble": ("closed_eyes",), "wink": ("one_eye_closed",)},
            {"happy": 3},
        ),
        Part("eyebrows", {"happy": ()}),
        Part(
            "mouth",
            {
                "smile": ("smile", "closed_mouth"),
                "laugh": ("smile", "open_mouth"),
                "agape": ("open_mouth",),
                "sad": ("frown", "closed_mouth"),
            },
        ),
        Part("beard", {ABSENT: (), "fullBeard": ("beard",)}, {ABSENT: 2}, optional=True),
        Part("clothes", {"tShirt": ()}),
    ),
    shirt=("clothesColor",),
    only={"beard": "1boy"},
)
