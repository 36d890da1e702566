"""Pictures as data: URIs, small, and never more of them than the page may weigh."""

from __future__ import annotations

import base64
import io
import struct
import warnings
from pathlib import Path
from typing import Final

from PIL import Image, ImageOps

MOST_PIXELS: Final = 64_000_000
_QUALITY: Final = 82
_GRID_QUALITY: Final = 90
_FAULTS: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    TypeError,
    struct.error,
    Image.DecompressionBombError,
    Warning,
)
"""What Pillow raises on files that are damaged, hostile or no images."""


class Pictures:
    """Makes thumbnails until `budget_bytes` of page are spent."""

    def __init__(self, budget_bytes: int) -> None:
        self._left = budget_bytes
        self._made: dict[tuple[str, int], str | None] = {}
        self.num_left_out = 0
        """Pictures for which there was no room."""

    def thumbnail(self, path: Path, side_px: int, *, digest: str = "") -> str | None:
        """The picture within a square of `side_px`; None where it cannot be read, or there is no room."""
        name = (digest or str(path), side_px)
        if name not in self._made:
            self._made[name] = _encode(path, (side_px, side_px), quality=_QUALITY)
        return self._spend(self._made[name])

    def wide(self, path: Path, width_px: int) -> str | None:
        """A large picture, at most so wide."""
        return self._spend(_encode(path, (width_px, 4 * width_px), quality=_GRID_QUALITY))

    def _spend(self, uri: str | None) -> str | None:
        if uri is None:
            return None
        if len(uri) > self._left:
            self.num_left_out += 1
            return None
        self._left -= len(uri)
        return uri


def _encode(path: Path, most_px: tuple[int, int], *, quality: int) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.width * image.height > MOST_PIXELS:
                    return None
                return _as_uri(image, most_px, quality=quality)
    except _FAULTS:
        return None


def _as_uri(image: Image.Image, most_px: tuple[int, int], *, quality: int) -> str:
    """WebP, with its transparency."""
    upright = ImageOps.exif_transpose(image)
    has_alpha = "A" in upright.getbands() or "transparency" in upright.info
    small = upright.convert("RGBA" if has_alpha else "RGB")
    small.thumbnail(most_px, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
