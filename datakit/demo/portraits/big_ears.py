"""Big Ears: small faces under much hair, seen from the front, without outlines."""

from __future__ import annotations

from datakit.demo.portraits.contract import ABSENT, Part, Style

STYLE = Style(
    name="big-ears",
    artist="The Visual Team",
    licence="CC BY 4.0",
    source="https://www.figma.com/community/file/986078800058673824",
    hair=Part(
        "hair",
        {
            "long18": ("1girl", "long_hair"),
            "long19": ("1girl", "medium_hair"),
            "long13": ("1girl", "medium_hair", "curly_hair"),
            "long16": ("1girl", "twintails"),
            "long06": ("1girl", "hair_bun"),
            "long05": ("1girl", "hair_bun", "double_bun"),
            "short13": ("1boy", "short_hair"),
            "short11": ("1boy", "short_hair"),
            "short18": ("1boy", "short_hair", "curly_hair"),
            "short03": ("1boy", "short_hair", "spiky_hair"),
            "short19": ("1boy", "short_hair", "spiky_hair"),
        },
    ),
    others=(
        Part("eyes", {"variant26": (), "variant14": (), "variant11": ("closed_eyes",)}, {"variant26": 2}),
        Part("frontHair", {"variant11": ()}),
        Part("head", {"variant01": ()}),
        Part(
            "mouth",
            {
                "variant0702": ("smile", "closed_mouth"),
                "variant0303": ("smile", "open_mouth"),
                "variant0101": ("open_mouth",),
                "variant0705": ("frown", "closed_mouth"),
            },
        ),
        Part("ears", {"variant01": ()}),
        Part("nose", {"variant01": ()}),
        Part("sideburns", {"variant01": ()}),
        Part("details", {ABSENT: ()}, optional=True),
    ),
)
