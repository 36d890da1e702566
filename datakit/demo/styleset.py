"""A folder of drawings in a style that the base model was never shown, each with its tags beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from datakit.demo.portraits.lots import looks
from datakit.demo.portraits.styles import TAUGHT_STYLE
from datakit.demo.portraits.writing import MANIFEST, write

COUNT: Final = 24
SIZE_PX: Final = 192
SEED: Final = 7


def write_style(out: Path, *, seed: int = SEED) -> int:
    """Draw them into `out/<style>`, the credit of each into `out/manifest.jsonl`; how many.

    Raises:
        StateError: the drawing packages are not installed.
    """
    folder = out / TAUGHT_STYLE
    drawn = looks(COUNT, seed=seed, styles={TAUGHT_STYLE: 1.0})
    count = write(folder, drawn, size_px=SIZE_PX)
    (folder / MANIFEST).replace(out / MANIFEST)
    return count
