"""Small datasets and configs that the tests write and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

BUCKETS = """resolution = 32
batch_size = 2
enable_bucket = true
bucket_reso_steps = 8
min_bucket_reso = 16
max_bucket_reso = 64
"""


def picture(size: tuple[int, int], seed: int) -> Image.Image:
    """Colours that follow from the seed: a slope and a disc."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(float)
    slope = (x / size[0])[..., None] * rng.uniform(0, 255, 3) + (y / size[1])[..., None] * rng.uniform(0, 120, 3)
    disc = (x - size[0] / 2) ** 2 + (y - size[1] / 2) ** 2 < (min(size) / 3) ** 2
    slope[disc] = rng.uniform(0, 255, 3)
    return Image.fromarray(slope.clip(0, 255).astype(np.uint8))


def write_pictures(folder: Path, sizes: list[tuple[int, int]], *, extension: str = ".txt") -> None:
    """Numbered pictures with a caption each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, size in enumerate(sizes):
        picture(size, number).save(folder / f"{number:02}.png")
        (folder / f"{number:02}{extension}").write_text(f"sks, 1girl, number {number}, simple background")


def write_set(
    root: Path, *, sizes: list[tuple[int, int]] | None = None, general: str = "", subset: str = "", repeats: int = 2
) -> Path:
    """A folder `girl` and its dataset.toml; five pictures in three buckets unless `sizes` says otherwise."""
    write_pictures(root / "girl", sizes or [(64, 64), (96, 48), (48, 96), (64, 64), (80, 40)])
    text = f'[general]\ncaption_extension = ".txt"\n{general}\n[[datasets]]\n{BUCKETS}'
    text += f'[[datasets.subsets]]\nimage_dir = "girl"\nnum_repeats = {repeats}\n{subset}\n'
    path = root / "dataset.toml"
    path.write_text(text)
    return path


def write_config(root: Path, *, train: str = "steps = 4", rest: str = "", out: str = "out", sample: str = "") -> Path:
    """A bake.toml beside dataset.toml, with small samples."""
    sample = f'[sample]\nprompts = ["sks, 1girl"]\nsteps = 2\nsize = [32, 32]\n{sample}\n'
    text = (
        f'[dataset]\nconfig = "dataset.toml"\n[train]\n{train}\n{sample}[output]\ndir = "{out}"\nname = "sks"\n{rest}\n'
    )
    path = root / f"{out}.toml"
    path.write_text(text)
    return path
