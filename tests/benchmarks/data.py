"""The benchmark's own data: photographic-looking JPEG files of a known size, with captions, the same at every call."""

from __future__ import annotations

import shutil
from multiprocessing import Pool
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE_PX: Final = 1216
QUALITY: Final = 90
"""Of the JPEG files; with GRAIN it gives about 430 kB each."""
GRAIN: Final = 8.2
"""Standard deviation of the noise, in steps of 0 to 255."""
NUM_BASES: Final = 24
SEED: Final = 7
VERSION: Final = 1
"""Raised when the same call would draw other files."""

_WORDS: Final = (
    *("1girl", "solo", "long_hair", "blue_hair", "smile", "looking_at_viewer", "simple_background", "glasses"),
    *("school_uniform", "holding", "upper_body", "outdoors", "sky", "cloud", "night", "window", "hair_ribbon"),
)

_grain: NDArray[np.int16] | None = None


def make_images(cache: Path, num_files: int) -> Path:
    """A folder of `num_files` JPEG files and as many captions, made once and reused."""
    folder = cache / f"images-{num_files}-v{VERSION}"
    done = folder / ".done"
    if done.exists():
        return folder / "scrape"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "scrape").mkdir(parents=True)
    with Pool() as pool:
        pool.starmap(_make_one, ((folder / "scrape", i) for i in range(num_files)), chunksize=8)
    done.touch()
    return folder / "scrape"


def total_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def _make_one(folder: Path, number: int) -> None:
    """A smooth base picture, shared by some files, under grain that is this file's own."""
    random = np.random.default_rng((SEED, number))
    base = _base(number % NUM_BASES)
    rows, columns = random.integers(0, SIDE_PX, 2)
    grain = np.roll(_shared_grain(), (int(rows), int(columns)), axis=(0, 1))
    pixels = np.clip(base + grain, 0, 255).astype(np.uint8)
    pixels[:8, :8] = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"{number:06d}.jpg", quality=QUALITY)
    words = random.choice(_WORDS, size=9, replace=False)
    (folder / f"{number:06d}.txt").write_text(", ".join(words) + "\n", "utf-8")


def _base(number: int) -> NDArray[np.int16]:
    coarse = np.random.default_rng((SEED, 1_000_000, number)).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    return np.asarray(smooth).astype(np.int16)


def _shared_grain() -> NDArray[np.int16]:
    """One sheet of grain per process, rolled by another offset for each file."""
    global _grain
    if _grain is None:
        sheet = np.random.default_rng((SEED, 2_000_000)).normal(0, GRAIN, (SIDE_PX, SIDE_PX, 3))
        _grain = np.rint(sheet).astype(np.int16)
    return _grain
