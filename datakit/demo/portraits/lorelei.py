"""Lorelei: heads in ink on white, turned a little aside; only the hair has a colour."""

from __future__ import annotations

from datakit.demo.portraits.contract import ABSENT, Part, Style

STYLE = Style(
    name="lorelei",
    artist="Lisa Wischofsky",
    licence="CC0 1.0",
    source="https://www.figma.com/community/file/1198749693280469639",
    hair=Part(
        "hair",
        {
            "variant15": ("1girl", "long_hair"),
            "variant16": ("1girl", "long_hair"),
            "variant23": ("1girl", "long_hair", "blunt_bangs"),
            "variant35": ("1girl", "long_hair", "wavy_hair"),
            "variant19": ("1girl", "medium_hair", "blunt_bangs"),
            "variant24": ("1girl", "medium_hair", "curly_hair"),
            "variant31": ("1girl", "ponytail"),
            "variant33": ("1girl", "ponytail"),
            "variant38": ("1girl", "hair_bun"),
            "variant26": ("1girl", "hair_bun", "double_bun"),
            "variant01": ("1boy", "short_hair"),
            "variant03": ("1boy", "short_hair"),
            "variant12": ("1boy", "short_hair"),
            "variant05": ("1boy", "short_hair", "curly_hair"),
            "variant27": ("1boy", "short_hair", "spiky_hair"),
        },
    ),
    others=(
        Part(
            "eyes",
            {
                "variant04": (),
                "variant21": (),
                "variant24": (),
                "variant19": ("closed_eyes",),
                "variant18": ("one_eye_closed",),
            },
            {"variant04": 2, "variant21": 1.5, "variant24": 1.5},
        ),
        Part("eyebrows", {"variant02": (), "variant13": ()}),
        Part("head", {"variant01": ()}),
        Part("nose", {"variant01": ()}),
        Part(
            "mouth",
            {
                "happy01": ("smile", "closed_mouth"),
                "happy05": ("smile", "open_mouth"),
                "sad01": ("open_mouth",),
                "sad04": ("frown", "closed_mouth"),
            },
        ),
        Part(
            "glasses",
            {ABSENT: (), "variant01": ("glasses",), "variant04": ("glasses",), "variant02": ("sunglasses",)},
            {ABSENT: 6},
            optional=True,
        ),
        Part("beard", {ABSENT: ()}, optional=True),
        Part("earrings", {ABSENT: ()}, optional=True),
        Part("freckles", {ABSENT: ()}, optional=True),
        Part("hairAccessories", {ABSENT: ()}, optional=True),
    ),
    skin=(),
    fixed={"skinColor": ["#ffffff"]},
)
