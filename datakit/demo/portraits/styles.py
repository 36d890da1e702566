"""All styles, by DiceBear's name, and which of them the base model is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from datakit.demo.portraits import (
    adventurer,
    big_ears,
    big_smile,
    lorelei,
    micah,
    open_peeps,
    personas,
    pixel_art,
    toon_head,
)
from datakit.demo.portraits.contract import Style

STYLES: Final[Mapping[str, Style]] = {
    module.STYLE.name: module.STYLE
    for module in (
        adventurer,
        micah,
        toon_head,
        personas,
        lorelei,
        pixel_art,
        open_peeps,
        big_smile,
        big_ears,
    )
}

BASE_STYLES: Final[Mapping[str, float]] = {"adventurer": 4, "micah": 2, "toon-head": 2, "personas": 2}
"""Style: how often the base model is shown it."""

HELD_OUT_STYLES: Final = tuple(name for name in STYLES if name not in BASE_STYLES)
"""Never shown to the base model, so that what it has learned can be judged on them."""

TAUGHT_STYLE: Final = "lorelei"
"""The held-out style that the demonstration's style LoRA teaches."""
