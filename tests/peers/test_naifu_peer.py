"""naifu reads the export back: AspectRatioDataset, AdaptiveSizeDataset and its processors, from a checkout.

`PEER_NAIFU` names a checkout of github.com/Mikubill/naifu. What is stood in for: lightning, which only its logging
asks, and torchvision, whose steps from a picture to a tensor are written out. h5py, omegaconf and cv2 are real.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from exports.export_material import material, subset
from peers.lent_environment import environment, read_by
from peers.real_export import Pictures, checkout, written

from datakit.exports.configs.diffusion_pipe import bucket_of, size_buckets
from datakit.exports.formats.naifu import EXPORT
from datakit.exports.model import Material
from datakit.exports.recipes.model import Recipe

pytestmark = pytest.mark.peers

RECIPE = Recipe(name="sdxl-lora", architecture="sdxl", base="sdxl.safetensors", batch_size=2)
PACKAGES = ("omegaconf", "h5py", "opencv-python-headless", "tqdm")


def asked(pictures: Pictures, folder: Path, **common: Any) -> Material:
    one = pictures.item
    return material(
        subset("girl", one("girl/a", "aria, |||, b, c, d", (256, 256)), one("girl/b", "", (192, 336), extension="jpg"),
               one("girl/é", "é, x", (512, 128), extension="webp"), repeats=3, class_tokens="1girl"),
        subset("girl2", one("girl2/a", "y", (256, 256))),
        subset("girl-validation", one("girl/z", "held back", (256, 256)), is_validation=True, repeats=5),
        export=EXPORT, folder=str(folder), recipe=RECIPE, resolution=256, min_bucket_reso=128, max_bucket_reso=512,
        batch_size=2, **common,
    )  # fmt: skip


def read(given: Material, pictures: Pictures) -> dict[str, Any]:
    folder = Path(given.folder)
    written(EXPORT, pictures, given, folder)
    found: dict[str, Any] = read_by(
        environment(*PACKAGES), "read_naifu.py", checkout("PEER_NAIFU"), folder / "config.yaml"
    )
    return found


def test_images_captions_repeats_and_buckets_are_those_that_dsk_says(tmp_path: Path) -> None:
    pictures = Pictures()
    given = asked(pictures, tmp_path)
    found = read(given, pictures)
    assert Counter(found["images"]) == {"girl/a.png": 3, "girl/b.jpg": 3, "girl/é.webp": 3, "girl2/a.png": 1}
    expected = {"girl/a.png": "aria, b, c, d", "girl/b.jpg": "1girl", "girl/é.webp": "é, x", "girl2/a.png": "y"}
    assert found["prompts"] == expected
    sizes = size_buckets(given.common)
    assert sorted(map(tuple, found["buckets"])) == sorted(sizes)
    trained = Counter(tuple(one["size"]) for one in found["batches"] for _ in one["prompts"])
    expected_sizes: Counter[tuple[int, int]] = Counter()
    for part in given.subsets:
        for item in () if part.is_validation else part.items:
            expected_sizes[bucket_of(item.size_px, sizes)] += part.repeats
    assert trained == expected_sizes
    assert {len(one["prompts"]) for one in found["batches"]} <= {1, 2}


def test_tags_in_front_stay_and_the_others_move(tmp_path: Path) -> None:
    pictures = Pictures()
    found = read(asked(pictures, tmp_path, shuffle_caption=True, keep_tokens=1), pictures)
    prompts = [prompt for one in found["batches"] for prompt in one["prompts"]]
    assert len(prompts) == 10
    assert not any("|||" in prompt for prompt in prompts)
    moved = [prompt for prompt in prompts if prompt.startswith("aria")]
    assert [sorted(prompt.split(", ")) for prompt in moved] == [["aria", "b", "c", "d"]] * 3
    assert [prompt for prompt in prompts if "é" in prompt] == ["é, x"] * 3


def test_without_enlarging_and_without_buckets(tmp_path: Path) -> None:
    pictures = Pictures()
    shrunk = read(asked(pictures, tmp_path / "a", bucket_no_upscale=True), pictures)
    assert all(width * height <= 256 * 256 for width, height in (one["size"] for one in shrunk["batches"]))
    assert len(shrunk["images"]) == 10
    square = read(asked(pictures, tmp_path / "b", enable_bucket=False), pictures)
    assert {tuple(one["size"]) for one in square["batches"]} == {(256, 256)}
