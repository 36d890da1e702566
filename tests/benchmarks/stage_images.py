"""Images for the benchmark of the stages: 1216 x 1216 px, half photographic JPEG files, half drawn PNG files."""

from __future__ import annotations

import functools
import io
import json
import shutil
from importlib import resources
from multiprocessing import Pool
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from tests.benchmarks.data import SEED, SIDE_PX, make_one, words

NUM_AVATARS: Final = 24
"""Drawn faces; each file has one of them at a place, in a size and on a colour of its own."""
NUM_CONCEPTS: Final = 4
VERSION: Final = 1


def make_stage_images(cache: Path, num_files: int, *, transparent: bool) -> Path:
    """A folder of images with captions, made once and reused; `transparent`: drawn ones have no background."""
    folder = cache / f"stages-{num_files}-{'alpha' if transparent else 'opaque'}-v{VERSION}"
    if (folder / ".done").exists():
        return folder / "scrape"
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(NUM_CONCEPTS):
        (folder / "scrape" / f"concept_{number}").mkdir(parents=True)
    with Pool() as pool:
        pool.starmap(_make, ((folder / "scrape", number, transparent) for number in range(num_files)), chunksize=8)
    (folder / ".done").touch()
    return folder / "scrape"


def _make(folder: Path, number: int, transparent: bool) -> None:
    place = folder / f"concept_{number // 2 % NUM_CONCEPTS}"
    if number % 2 == 0:
        make_one(place, number)
        return
    random = np.random.default_rng((SEED, 4_000_000, number))
    face = _avatar(number // 2 % NUM_AVATARS)
    side = int(random.integers(SIDE_PX * 2 // 3, SIDE_PX))
    face = face.resize((side, side), Image.Resampling.BILINEAR)
    colour = (*(int(value) for value in random.integers(0, 256, 3)), 0 if transparent else 255)
    sheet = Image.new("RGBA", (SIDE_PX, SIDE_PX), colour)
    left, top = (int(value) for value in random.integers(0, SIDE_PX - side, 2))
    sheet.alpha_composite(face, (left, top))
    image = sheet if transparent else sheet.convert("RGB")
    image.save(place / f"{number:06d}.png", compress_level=6)
    (place / f"{number:06d}.txt").write_text(words(random), "utf-8")


@functools.cache
def _avatar(number: int) -> Image.Image:
    """A face of dicebear's style adventurer, RGBA on nothing."""
    import resvg_py
    from dicebear import Avatar, Style

    style = json.loads((resources.files("dicebear_styles") / "adventurer.json").read_text("utf-8"))
    svg = Avatar(Style(style), {"seed": str(number), "size": SIDE_PX}).to_string()
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))).convert("RGBA")
