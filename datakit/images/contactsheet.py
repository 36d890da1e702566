"""Many images on one picture, small and side by side."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Final

from PIL import Image

from datakit.images.thumbnail import make_thumbnail

SIDE_PX: Final = 224
_GAP_PX: Final = 4
_BACKGROUND: Final = (32, 32, 32)


def contact_sheet(images: Sequence[bytes], *, columns: int = 6, side_px: int = SIDE_PX) -> bytes:
    """A PNG of the images in rows, each whole and in the middle of its square.

    Raises:
        UnreadableImage: one of them is damaged, or no image.
    """
    columns = max(1, min(columns, len(images)))
    rows = max(1, math.ceil(len(images) / columns))
    step = side_px + _GAP_PX
    sheet = Image.new("RGB", (columns * step + _GAP_PX, rows * step + _GAP_PX), _BACKGROUND)
    for number, data in enumerate(images):
        with Image.open(io.BytesIO(make_thumbnail(data, side_px=side_px).data)) as picture:
            left = _GAP_PX + number % columns * step + (side_px - picture.width) // 2
            top = _GAP_PX + number // columns * step + (side_px - picture.height) // 2
            sheet.paste(picture.convert("RGB"), (left, top))
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()
