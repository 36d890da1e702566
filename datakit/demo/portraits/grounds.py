"""Backgrounds of portraits, by their tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from datakit.demo.background import PATTERNED, Background

PLAIN: Final[Mapping[str, tuple[int, int, int]]] = {
    "white": (255, 255, 255),
    "grey": (176, 176, 180),
    "blue": (150, 196, 240),
    "pink": (250, 200, 212),
    "yellow": (252, 236, 140),
    "green": (170, 220, 170),
}

GROUNDS: Final[Mapping[str, Background]] = {
    **{
        f"{name}_background": Background("plain", (colour, colour), ("simple_background", f"{name}_background"))
        for name, colour in PLAIN.items()
    },
    **{f"{ground.kind}_background": ground for ground in PATTERNED},
}
PLAIN_NAMES: Final = tuple(f"{name}_background" for name in PLAIN)
