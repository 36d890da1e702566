"""The image is a JPEG that was saved with low quality, so that blocks and halos show.

The quality is that of libjpeg's scale, 1 to 100, read from the file's quantisation tables; of other encoders the
nearest. It is the quality of the last save: a poor file saved again well is not found, nor one that became a PNG. Of
eight sprites of flat colours 2 % of the pixels are off by more than 24 of 255 levels at 90, 4 % at 75, 6 % at 60, and
10 % at 30.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.jpeg-quality]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` JPEGs of low quality."""
    min_quality: Annotated[int, msgspec.Meta(ge=1, le=100)] = 60
    """Least quality, 1 to 100."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Its quality, where that is too low."""
    quality = subject.facts[MEASURED.name]["jpeg_quality"]
    if quality is None or quality >= settings.min_quality:
        return None
    return Verdict(
        reason=f"JPEG quality {quality}, under {settings.min_quality}",
        evidence={"jpeg_quality": quality, "min_quality": settings.min_quality},
    )


FILTER = Filter(
    name="jpeg-quality", words=("low quality", "low quality"), settings=Settings, judge=judge, looks=(MEASURED,)
)
