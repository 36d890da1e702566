"""The benchmarks' own data: photographic-looking JPEG files of a known size, with captions, the same at every call."""

from __future__ import annotations

import shutil
from multiprocessing import Pool
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE_PX: Final = 1216
THUMBNAIL_PX: Final = 128
NUM_CONCEPTS: Final = 100
"""Folders that the small images are spread over."""
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
        pool.starmap(make_one, ((folder / "scrape", i) for i in range(num_files)), chunksize=8)
    done.touch()
    return folder / "scrape"


def make_thumbnails(cache: Path, num_files: int) -> Path:
    """A folder of `num_files` small JPEG files and as many captions, in NUM_CONCEPTS folders; made once and reused."""
    folder = cache / f"thumbnails-{num_files}-v{VERSION}"
    done = folder / ".done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        for concept in range(NUM_CONCEPTS):
            (folder / "scrape" / concept_name(concept)).mkdir(parents=True)
        with Pool() as pool:
            pool.starmap(_make_thumbnail, ((folder / "scrape", i) for i in range(num_files)), chunksize=100)
        done.touch()
    return folder / "scrape"


def make_ten_more(cache: Path) -> Path:
    """A folder of ten more small images with captions, in one concept, other than all of `make_thumbnails`."""
    folder = cache / f"thumbnails-more-v{VERSION}" / "scrape"
    (folder / concept_name(0)).mkdir(parents=True, exist_ok=True)
    for number in range(10):
        _make_thumbnail(folder, 90_000_000 + number * NUM_CONCEPTS)
    return folder


def concept_name(number: int) -> str:
    """Name of one folder of `make_thumbnails`; the file of number n lies in folder n modulo NUM_CONCEPTS."""
    return f"concept_{number:03d}"


def total_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _make_thumbnail(folder: Path, number: int) -> None:
    """A smooth picture under light grain, both this file's own."""
    random = np.random.default_rng((SEED, 3_000_000, number))
    coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BICUBIC)).astype(np.int16)
    rows, columns = random.integers(0, SIDE_PX - THUMBNAIL_PX, 2)
    grain = _shared_grain()[rows : rows + THUMBNAIL_PX, columns : columns + THUMBNAIL_PX]
    place = folder / concept_name(number % NUM_CONCEPTS) / f"{number:06d}"
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(place.with_suffix(".jpg"), quality=75)
    place.with_suffix(".txt").write_text(words(random), "utf-8")


def words(random: np.random.Generator) -> str:
    """A caption of nine tags."""
    return ", ".join(random.choice(_WORDS, size=9, replace=False)) + "\n"


def make_one(folder: Path, number: int) -> None:
    """A smooth base picture, shared by some files, under grain that is this file's own."""
    random = np.random.default_rng((SEED, number))
    base = _base(number % NUM_BASES)
    rows, columns = random.integers(0, SIDE_PX, 2)
    grain = np.roll(_shared_grain(), (int(rows), int(columns)), axis=(0, 1))
    pixels = np.clip(base + grain, 0, 255).astype(np.uint8)
    pixels[:8, :8] = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"{number:06d}.jpg", quality=QUALITY)
    (folder / f"{number:06d}.txt").write_text(words(random), "utf-8")


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
