"""Colours of hair, skin and shirts, by their tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

HAIR: Final[Mapping[str, str]] = {
    "black_hair": "#2b2b33",
    "blue_hair": "#3a6fd8",
    "pink_hair": "#f09ac0",
    "blonde_hair": "#f2d35c",
    "brown_hair": "#7a4a26",
    "red_hair": "#c8322b",
    "white_hair": "#f4f4f6",
    "green_hair": "#3f9d4b",
    "purple_hair": "#8050b8",
}

SKIN: Final[Mapping[str, tuple[str, ...]]] = {
    "#f2d3b1": (),
    "#ecad80": (),
    "#9e5622": ("dark_skin",),
    "#763900": ("dark_skin",),
}
"""Colour: its tags."""

SHIRTS: Final[Mapping[str, str]] = {
    "white_shirt": "#f2f2f2",
    "red_shirt": "#c8453e",
    "blue_shirt": "#4a78c8",
    "yellow_shirt": "#eec64a",
}
