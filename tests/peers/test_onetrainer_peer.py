"""OneTrainer reads an export back: its configs, and its loader with the data pipeline mgds, on the CPU.

PEER_ONETRAINER names a checkout of Nerogar/OneTrainer, PEER_MGDS one of Nerogar/mgds where it is not installed beside
it, PEER_ONETRAINER_PYTHON an interpreter that has its requirements; the checkout's `venv` is taken without. Networks
are left out, so latents are not cached; torchvision is stood in for where it is missing (onetrainer_reader.py).
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from exports.export_material import material, subset
from peers.real_export import Pictures, checkout, read_back, written

from datakit.exports.formats.onetrainer import EXPORT
from datakit.exports.model import Material
from datakit.exports.recipes.model import Recipe

RECIPE = Recipe(
    name="sdxl-lora",
    architecture="sdxl",
    prediction="v_prediction",
    zero_terminal_snr=True,
    base="base.safetensors",
    min_snr_gamma=5.0,
    text_encoder_learning_rate=5e-5,
    prompts=("sks",),
    resolution_px=(256, 256),
)

pytestmark = pytest.mark.peers


def read(folder: Path) -> dict[str, Any]:
    mgds = os.environ.get("PEER_MGDS", "")
    source = str(Path(mgds).absolute() / "src") if mgds else ""
    return read_back(
        "onetrainer_reader.py", checkout("PEER_ONETRAINER"), str(folder), source, python="PEER_ONETRAINER_PYTHON"
    )


def asked(pictures: Pictures, folder: Path, *, masks: bool, **common: Any) -> Material:
    girl = [
        pictures.item("girl/a", "sks, 1girl ||| solo, hat, night", (256, 384), mask=masks),
        pictures.item("girl/b_masklabel", "sks, 1girl ||| red, blue", (512, 512), extension="jpg", mask=masks),
        pictures.item("girl/c-masklabel", "", (400, 300), extension="webp"),
    ]
    return material(
        subset("girl", *girl, repeats=3, class_tokens="sks", loss_weight=0.5),
        subset("少女", pictures.item("少女/é", "1girl, smile :)", (300, 300))),
        subset("reg", pictures.item("reg/r", "girl", (256, 256)), is_reg=True),
        subset("held", pictures.item("held/v", "1girl, solo", (256, 320)), is_validation=True, repeats=4),
        export=EXPORT,
        folder=str(folder),
        recipe=RECIPE,
        resolution=256,
        **common,
    )


def test_images_captions_repeats_weights_types_and_masks(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    given = asked(pictures, folder, masks=True)
    plan = written(EXPORT, pictures, given, folder)
    found = read(folder)
    assert not found["wrong"]
    assert not found["said"]
    subsets = {one.name: one for one in given.subsets}
    expected = Counter(
        {
            path: subsets[key.partition("/")[0]].repeats
            for key, path in plan.items.items()
            if not subsets[key.partition("/")[0]].is_validation
        }
    )
    for epoch in found["trained"]:
        assert Counter(str(Path(one["path"]).relative_to(folder)) for one in epoch) == expected
    for one in [*found["trained"][0], *found["validated"]]:
        path = str(Path(one["path"]).relative_to(folder))
        subset_ = subsets[path.partition("/")[0]]
        assert one["prompt"] == plan.texts[f"{path.rpartition('.')[0]}.txt"].decode()
        assert one["weight"] == subset_.loss_weight
        kind = "PRIOR_PREDICTION" if subset_.is_reg else "VALIDATION" if subset_.is_validation else "STANDARD"
        assert one["type"] == kind
        assert one["bucket"] == one["made"]
        assert not any(side % 64 for side in one["bucket"])
        has_mask = path in ("girl/a.png", "girl/b_masklabel.jpg")
        assert one["mask"] == pytest.approx(0.5 if has_mask else 1.0, abs=0.02)
    assert [Path(one["path"]).name for one in found["validated"]] == ["v.png"]
    buckets = {Path(one["path"]).name: one["bucket"] for one in found["trained"][0]}
    assert buckets["a.png"] == [320, 192]
    assert buckets["b_masklabel.jpg"] == [256, 256]


def test_shuffled_captions_keep_their_front_and_one_bucket_holds_all(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    given = asked(pictures, folder, masks=False, shuffle_caption=True, enable_bucket=False)
    plan = written(EXPORT, pictures, given, folder)
    found = read(folder)
    assert not found["wrong"]
    assert {tuple(one["bucket"]) for one in found["trained"][0]} == {(256, 256)}
    orders = set()
    for one in [one for epoch in found["trained"] for one in epoch]:
        path = str(Path(one["path"]).relative_to(folder))
        caption = plan.texts[f"{path.rpartition('.')[0]}.txt"].decode().split(", ")
        assert sorted(one["prompt"].split(", ")) == sorted(caption)
        if path == "girl/a.png":
            assert one["prompt"].startswith("sks, 1girl, ")
            orders.add(one["prompt"])
    assert len(orders) > 1


def test_dropped_captions(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    written(EXPORT, pictures, asked(pictures, folder, masks=False, caption_dropout_rate=1.0), folder)
    found = read(folder)
    assert not found["wrong"]
    assert {one["prompt"] for one in found["trained"][0]} == {""}
    assert {one["prompt"] for one in found["validated"]} == {"1girl, solo"}
