"""Big Smile: heads with wide mouths, turned aside, without outlines."""

from __future__ import annotations

from datakit.demo.portraits.contract import ABSENT, Part, Style

STYLE = Style(
    name="big-smile",
    artist="Ashley Seo",
    licence="CC BY 4.0",
    source="https://www.figma.com/community/file/881358461963645496",
    hair=Part(
        "hair",
        {
            "bangs": ("1girl", "medium_hair", "blunt_bangs"),
            "straightHair": ("1girl", "medium_hair"),
            "wavyBob": ("1girl", "medium_hair", "wavy_hair"),
            "bunHair": ("1girl", "hair_bun"),
            "bowlCutHair": ("1boy", "short_hair", "blunt_bangs"),
            "curlyShortHair": ("1boy", "short_hair", "curly_hair"),
            "shortHair": ("1boy", "short_hair"),
        },
    ),
    others=(
        Part(
            "eyes",
            {"normal": (), "cheery": (), "sleepy": ("closed_eyes",), "winking": ("one_eye_closed",)},
            {"normal": 2},
        ),
        Part("head", {"base": ()}),
        Part(
            "mouth",
            {
                "kawaii": ("smile", "closed_mouth"),
                "openedSmile": ("smile", "open_mouth"),
                "openSad": ("open_mouth",),
                "unimpressed": ("closed_mouth",),
            },
        ),
        Part("accessories", {ABSENT: (), "glasses": ("glasses",)}, {ABSENT: 4}, optional=True),
    ),
)
