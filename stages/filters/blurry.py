"""Even the sharpest edges of the image are soft: out of focus, moved, or enlarged from a small one.

An edge is measured by its slope against its own height, in an image of about a megapixel: 1 for a step of one pixel,
0.4 / sigma under a blur of sigma pixels. Contrast, flat colours and a soft background change nothing, unlike with the
usual variance of the Laplacian, which puts a clean screen of flat colours below most photos under a blur of 1 px. Of
62 sprites, paintings and photos the least sharp has 0.54; under a blur of 1.5 px half of them are at 0.29 or less, of
2 px at 0.24, of 3 px at 0.19, enlarged four times at 0.30 and six times at 0.22. So 0.3 means a blur of 1.5 px, or an
enlargement of four times; 0.4 is for those who want only what is crisp.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.blurry]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images that are blurred."""
    min_sharpness: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3
    """How steep the best edges must be, 0 to 1."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Its sharpness, where that is too low; an image without any edge is `flat` and not blurry."""
    sharpness = subject.facts[MEASURED.name]["sharpness"]
    if sharpness is None or sharpness >= settings.min_sharpness:
        return None
    return Verdict(
        reason=f"blurred: sharpness {sharpness:.2f}, under {settings.min_sharpness:g}",
        evidence={"sharpness": sharpness, "min_sharpness": settings.min_sharpness},
    )


FILTER = Filter(name="blurry", words=("blurry", "blurry"), settings=Settings, judge=judge, looks=(MEASURED,))
