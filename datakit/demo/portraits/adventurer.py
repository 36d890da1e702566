"""Adventurer: heads with big eyes, the most like anime."""

from __future__ import annotations

from datakit.demo.portraits.contract import ABSENT, Part, Style

STYLE = Style(
    name="adventurer",
    artist="Lisa Wischofsky",
    licence="CC BY 4.0",
    source="https://www.figma.com/community/file/1184595184137881796",
    hair=Part(
        "hair",
        {
            "long07": ("1girl", "long_hair", "blunt_bangs"),
            "long09": ("1girl", "long_hair", "wavy_hair"),
            "long21": ("1girl", "medium_hair", "blunt_bangs"),
            "long15": ("1girl", "twintails", "blunt_bangs"),
            "long16": ("1girl", "long_hair", "braid"),
            "long19": ("1girl", "long_hair", "ponytail"),
            "long23": ("1girl", "hair_bun", "double_bun"),
            "short01": ("1boy", "short_hair"),
            "short04": ("1boy", "short_hair"),
            "short16": ("1boy", "short_hair", "spiky_hair"),
        },
    ),
    others=(
        Part(
            "eyes",
            {
                "variant24": (),
                "variant25": (),
                "variant19": ("closed_eyes",),
                "variant20": ("closed_eyes",),
                "variant21": ("one_eye_closed",),
            },
            {"variant24": 2, "variant25": 2, "variant19": 0.5, "variant20": 0.5},
        ),
        Part("eyebrows", {"variant10": (), "variant12": ()}),
        Part(
            "mouth",
            {
                "variant02": ("smile", "closed_mouth"),
                "variant01": ("smile", "open_mouth"),
                "variant15": ("open_mouth",),
                "variant04": ("frown", "closed_mouth"),
            },
        ),
        Part(
            "glasses",
            {ABSENT: (), "variant01": ("sunglasses",), "variant02": ("glasses",), "variant05": ("glasses",)},
            {ABSENT: 6},
            optional=True,
        ),
        Part("details", {ABSENT: ()}, optional=True),
        Part("earrings", {ABSENT: ()}, optional=True),
    ),
)
