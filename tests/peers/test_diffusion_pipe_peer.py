"""diffusion-pipe reads the export back: its dataset classes and its check of the main config, from a checkout.

`PEER_DIFFUSION_PIPE` names a checkout of github.com/tdrussell/diffusion-pipe, which is under the GPL and runs as a
process of its own. What is stood in for: deepspeed and ComfyUI, which readers ask for the rank of the process and for
videos; sizes take the place of latents, and a list that of their cache. Hugging Face datasets, multiprocess, imageio
and toml are real.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from exports.export_material import material, subset
from peers.lent_environment import environment, read_by
from peers.real_export import Pictures, checkout, written

from datakit.exports.configs.diffusion_pipe import bucket_of, size_buckets
from datakit.exports.formats.diffusion_pipe import EXPORT
from datakit.exports.model import Material
from datakit.exports.recipes.model import Recipe

pytestmark = pytest.mark.peers

PACKAGES = ("datasets", "multiprocess", "imageio", "toml", "tqdm", "safetensors")


def asked(pictures: Pictures, folder: Path, *, batch_size: int = 1, **common: Any) -> Material:
    one = pictures.item
    return material(
        subset("girl", one("girl/a", "aria, |||, b, c, d", (256, 256)), one("girl/b", "", (192, 336), extension="jpg"),
               one("girl/é", "é, x", (600, 128), extension="webp"), repeats=3, class_tokens="1girl"),
        subset("masked", one("masked/a", "y", (256, 256), mask=True), one("masked/b", "z", (128, 512))),
        subset("girl-validation", one("girl/z", "held back", (256, 256)), is_validation=True, repeats=5),
        export=EXPORT, folder=str(folder), resolution=256, min_bucket_reso=128, max_bucket_reso=512,
        recipe=Recipe(name="sdxl-lora", architecture="sdxl", base="sdxl.safetensors", batch_size=batch_size),
        batch_size=batch_size, own={"variants": 4}, **common,
    )  # fmt: skip


def read(given: Material, pictures: Pictures) -> dict[str, Any]:
    folder = Path(given.folder)
    written(EXPORT, pictures, given, folder)
    source = checkout("PEER_DIFFUSION_PIPE")
    found: dict[str, Any] = read_by(environment(*PACKAGES), "read_diffusion_pipe.py", source, folder / "config.toml")
    assert found["unknown"] == []
    assert found["adapter_alpha"] == 8
    return dict(found["sets"])


def test_images_captions_repeats_and_buckets_are_those_that_dsk_says(tmp_path: Path) -> None:
    pictures = Pictures()
    given = asked(pictures, tmp_path)
    sets = read(given, pictures)
    train = sets["train"]
    counts = {"girl/a.png": 3, "girl/b.jpg": 3, "girl/é.webp": 3, "masked/a.png": 1, "masked/b.png": 1}
    assert train["shown"] == counts
    captions = {name: set(found) for name, found in train["captions"].items()}
    assert captions == {
        "girl/a.png": {"aria, b, c, d"},
        "girl/b.jpg": {"1girl"},
        "girl/é.webp": {"é, x"},
        "masked/a.png": {"y"},
        "masked/b.png": {"z"},
    }
    sizes = size_buckets(given.common)
    expected = {
        f"{part.name}/{one.file}": list(bucket_of(one.size_px, sizes))
        for part in given.subsets
        if not part.is_validation
        for one in part.items
    }
    assert train["sizes"] == expected
    assert train["masks"] == {"a.png": f"{tmp_path}/masks/masked/a.png"}
    assert sets["validation"]["shown"] == {"z.png": 1}
    assert sets["validation"]["captions"] == {"z.png": ["held back"]}


def test_shuffled_captions_are_shown_each(tmp_path: Path) -> None:
    pictures = Pictures()
    train = read(asked(pictures, tmp_path, shuffle_caption=True), pictures)["train"]
    assert train["shown"]["girl/a.png"] == 3 * 4
    found = train["captions"]["girl/a.png"]
    assert {tuple(sorted(caption.split(", "))) for caption in found} == {("aria", "b", "c", "d")}
    assert all(caption.startswith("aria") for caption in found)
    assert len(set(found)) > 1


def test_what_fills_no_batch_is_left_out_as_dsk_warned(tmp_path: Path) -> None:
    pictures = Pictures()
    given = asked(pictures, tmp_path, batch_size=3)
    train = read(given, pictures)["train"]
    warned = EXPORT.plan(given).warnings
    assert "masked/b.png" not in train["shown"]
    assert "diffusion-pipe leaves out buckets that do not fill a batch of 3: masked/b" in warned
    assert sum(train["shown"].values()) == 9
    assert "of 11 examples an epoch leaves out 1, always the same ones, to fill batches of 3" in warned
