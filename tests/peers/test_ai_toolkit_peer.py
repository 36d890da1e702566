"""ai-toolkit reads the export back: its config classes, AiToolkitDataset and FileItemDTO, from a checkout.

`PEER_AI_TOOLKIT` names a checkout of github.com/ostris/ai-toolkit. What is stood in for: torchvision (three steps
from a picture to a tensor are written out), torchaudio, torchao, albumentations, av, cv2, and what else is imported and
not installed; the model is an object with the properties of SDXL's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from exports.export_material import material, subset
from peers.lent_environment import environment, read_by
from peers.real_export import Pictures, checkout, written

from datakit.exports.formats.ai_toolkit import EXPORT
from datakit.exports.recipes.model import Recipe

pytestmark = pytest.mark.peers

RECIPE = Recipe(name="sdxl-lora", architecture="sdxl", base="sdxl.safetensors", prompts=("1girl",), batch_size=2)
PROSE = "1girl, solo, long hair, She sits in the grass, smiling."


def read(folder: Path, **common: Any) -> dict[str, dict[str, Any]]:
    """Dataset's folder → what the trainer made of it."""
    pictures = Pictures()
    one = pictures.item
    given = material(
        subset("girl", one("girl/a", PROSE, (1024, 1024)), one("girl/b", "", (768, 1344)),
               one("girl/c", "a, |||, b", (300, 200)), repeats=3, class_tokens="1girl, solo", loss_weight=0.5),
        subset("masked", one("masked/a", "x", (1024, 1024), mask=True), one("masked/b", "y", (1024, 1024))),
        subset("reg", one("reg/a", "1girl", (1024, 1024)), is_reg=True),
        subset("girl-validation", one("girl/z", "held back", (1024, 1024)), is_validation=True),
        export=EXPORT, folder=str(folder), recipe=RECIPE, batch_size=2, **common,
    )  # fmt: skip
    written(EXPORT, pictures, given, folder)
    source = checkout("PEER_AI_TOOLKIT")
    found = read_by(environment("tqdm", "python-dotenv"), "read_ai_toolkit.py", source, folder / "config.yaml")
    assert found["unknown"] == []
    return {one["folder"]: one for one in found["datasets"]}


def test_images_captions_repeats_and_masks_are_those_that_dsk_says(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert sorted(found) == ["girl", "masked", "reg"]
    rows = found["girl"]["rows"]
    captions = {row["file"]: row["caption"] for row in rows}
    assert captions == {"a.png": PROSE, "b.png": "1girl, solo", "c.png": "a, b"}
    assert sorted(row["file"] for row in rows) == [name for name in ("a.png", "b.png", "c.png") for _ in range(3)]
    assert {row["loss"] for row in rows} == {0.5}
    buckets = {row["file"]: row["bucket"] for row in rows}
    assert (buckets["a.png"], buckets["b.png"]) == ([1024, 1024], [768, 1344])
    assert all(not side % 16 for sides in buckets.values() for side in sides)
    assert max(buckets["c.png"]) <= 304, "enlarged by more than a step"
    assert {row["file"]: row["mask"] for row in found["masked"]["rows"]} == {"a.png": 0.5, "b.png": 1.0}
    assert [row["is_reg"] for row in found["reg"]["rows"]] == [True]
    assert set(found["girl"]["batches"]) == {2}


def test_mirrored_images_are_further_ones(tmp_path: Path) -> None:
    found = read(tmp_path, flip_aug=True, resolution=512)
    rows = found["girl"]["rows"]
    assert len(rows) == 18
    assert sum(row["flip"] for row in rows) == 9
    assert {tuple(row["bucket"]) for row in rows if row["file"] == "a.png"} == {(512, 512)}
