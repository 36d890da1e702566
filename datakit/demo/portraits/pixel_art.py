"""Pixel Art: busts of a few large squares, seen from the front, some with hats."""

from __future__ import annotations

from datakit.demo.portraits.contract import ABSENT, Part, Style

STYLE = Style(
    name="pixel-art",
    artist="DiceBear",
    licence="CC0 1.0",
    source="https://www.figma.com/community/file/1198754108850888330",
    hair=Part(
        "hair",
        {
            "long12": ("1girl", "long_hair"),
            "long13": ("1girl", "long_hair", "blunt_bangs"),
            "long20": ("1girl", "medium_hair"),
            "long21": ("1girl", "medium_hair", "blunt_bangs"),
            "long18": ("1girl", "twintails", "blunt_bangs"),
            "short02": ("1boy", "short_hair"),
            "short10": ("1boy", "short_hair"),
            "short13": ("1boy", "short_hair", "spiky_hair"),
            "short10+variant01": ("1boy", "hat", "beanie"),
            "short10+variant07": ("1boy", "hat", "baseball_cap"),
        },
        {"long12": 1.5, "long13": 1.5, "short10+variant01": 0.7, "short10+variant07": 0.7},
    ),
    pair="hat",
    others=(
        Part("eyes", {"variant09": (), "variant06": ()}),
        Part(
            "mouth",
            {
                "happy09": ("smile", "closed_mouth"),
                "happy06": ("smile", "open_mouth"),
                "happy01": ("open_mouth",),
                "sad01": ("frown", "closed_mouth"),
            },
        ),
        Part("glasses", {ABSENT: (), "light05": ("glasses",), "light07": ("glasses",)}, {ABSENT: 5}, optional=True),
        Part("beard", {ABSENT: ()}, optional=True),
        Part("accessories", {ABSENT: ()}, optional=True),
        Part("clothes", {"variant03": ()}),
    ),
    shirt=("clothingColor",),
    fixed={
        "eyesColor": ["#3a3a4a"],
        "glassesColor": ["#191919"],
        "hatColor": ["#3d8a6b"],
        "mouthColor": ["#8a1020"],
    },
)
