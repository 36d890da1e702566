"""Finished runs on small datasets, for what is said of them in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peers.lora_material import family_of
from PIL import Image

from trainer.config import Config, load
from trainer.contracts.adapter import AdapterSettings
from trainer.data.dataset_toml import Fallback, read
from trainer.data.items import find
from trainer.formats.bake import Bake
from trainer.registry import ADAPTERS, OBJECTIVES

BUCKETS = """resolution = 32
batch_size = 2
enable_bucket = true
bucket_reso_steps = 8
min_bucket_reso = 16
max_bucket_reso = 64
"""
REG = """
[[datasets.subsets]]
image_dir = "reg"
is_reg = true
class_tokens = "girl"
num_repeats = 3
"""


def config_of(root: Path, rest: str = "") -> Config:
    (root / "bake.toml").write_text(f'[output]\nname = "sks"\n{rest}')
    return load(root / "bake.toml")


def bake(
    root: Path,
    config: Config | None = None,
    *,
    family: str = "sdxl",
    adapter: str = "lora",
    more: str = "",
    **settings: Any,
) -> Bake:
    _pictures(root / "girl", [(64, 64), (96, 48), (48, 96), (64, 64)])
    _pictures(root / "reg", [(64, 64), (50, 60)])
    (root / "girl" / "00.txt").write_text("SKS, 1girl, Hat,, hat")
    text = f'[general]\ncaption_extension = ".txt"\nshuffle_caption = true\nkeep_tokens = 2\n[[datasets]]\n{BUCKETS}'
    (root / "dataset.toml").write_text(
        f'{text}[[datasets.subsets]]\nimage_dir = "girl"\nnum_repeats = 2\nflip_aug = true\n{more}'
    )
    return Bake(
        config=config or config_of(root),
        family=family_of(family),
        objective=OBJECTIVES.load("epsilon", field=""),
        zero_terminal_snr=False,
        adapter=ADAPTERS.load(adapter, field=""),
        settings=AdapterSettings(seed=0, **settings),
        dataset=find(read(root / "dataset.toml", Fallback(batch_size=1, resolution_px=32))),
        started_s=1_700_000_000.25,
        finished_s=1_700_000_100.75,
        steps=40,
        epochs=10,
        total_steps=40,
        total_epochs=10,
        batches_per_epoch=4,
    )


def _pictures(folder: Path, sizes: list[tuple[int, int]]) -> None:
    folder.mkdir(exist_ok=True)
    for number, size in enumerate(sizes):
        Image.new("RGB", size, (number, 0, 0)).save(folder / f"{number:02}.png")
        (folder / f"{number:02}.txt").write_text(f"sks, 1girl, number {number}, simple background")
