"""Open Peeps: busts in thick ink, turned a little aside; only hair that takes a colour is used."""

from __future__ import annotations

from datakit.demo.portraits.contract import ABSENT, Part, Style

STYLE = Style(
    name="open-peeps",
    artist="Pablo Stanley",
    licence="CC0 1.0",
    source="https://www.openpeeps.com/",
    hair=Part(
        "head",
        {
            "bangs": ("1girl", "medium_hair"),
            "grayBun": ("1girl", "hair_bun"),
            "grayShort": ("1boy", "short_hair"),
            "short4": ("1boy", "short_hair"),
            "hatHip": ("1boy", "hat"),
        },
        {"bangs": 2, "grayBun": 2},
    ),
    others=(
        Part(
            "expression",
            {
                "smile": ("smile", "closed_mouth"),
                "calm": ("smile", "closed_mouth", "closed_eyes"),
                "smileLOL": ("smile", "open_mouth", "closed_eyes", "tears"),
                "explaining": ("open_mouth",),
                "veryAngry": ("frown", "closed_mouth"),
            },
            {"smile": 2},
        ),
        Part(
            "accessories",
            {ABSENT: (), "glasses3": ("glasses",), "glasses5": ("glasses",), "sunglasses": ("sunglasses",)},
            {ABSENT: 6},
            optional=True,
        ),
        Part("facialHair", {ABSENT: ()}, optional=True),
        Part("mask", {ABSENT: ()}, optional=True),
    ),
    hair_colour=("headContrastColor",),
    shirt=("clothingColor",),
)
