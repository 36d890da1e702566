"""All measures of one decoded image."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from PIL import Image

from datakit.images.measure import ImageFacts
from datakit.images.measures.borders import bars
from datakit.images.measures.generated import generator
from datakit.images.measures.hidden import hidden
from datakit.images.measures.jpeg import jpeg_quality
from datakit.images.measures.sampling import Pixels, sample_lines
from datakit.images.measures.sharpness import sharpness
from datakit.images.measures.tones import tones


def measure(image: Image.Image, facts: ImageFacts, data: bytes) -> dict[str, Any]:
    """`Tones`, and: `sharpness` (None without edges), `bars_px` (left, top, right, bottom; none of a transparent
    image), `jpeg_quality` (None of other formats), `generator` ('' where nothing says so); of a transparent image also
    what `hidden` finds. An image of which nothing can be seen has no tones.
    """
    lines = sample_lines(image)
    seen = lines.rows.reshape(-1, 3) if lines.visible is None else lines.rows[lines.visible]
    found: dict[str, Any] = msgspec.structs.asdict(tones(seen)) if len(seen) else {}
    sharp = sharpness(_grey(lines.rows), _grey(lines.columns), image.size)
    return {
        **found,
        **(hidden(image) if facts.transparent else {}),
        "sharpness": None if sharp is None else round(sharp, 3),
        "bars_px": (0, 0, 0, 0) if facts.transparent else bars(lines.rows, lines.columns, facts.orientation),
        "jpeg_quality": jpeg_quality(getattr(image, "quantization", {})),
        "generator": generator(image, data),
    }


def _grey(pixels: Pixels) -> Pixels:
    """[lines, along] of [lines, along, RGB]."""
    return np.asarray(Image.fromarray(pixels).convert("L"))
