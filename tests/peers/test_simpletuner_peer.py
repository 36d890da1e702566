"""SimpleTuner reads an export back: its options, its rules, and its data backends with buckets, captions and masks.

PEER_SIMPLETUNER names a checkout of bghira/SimpleTuner, PEER_SIMPLETUNER_PYTHON an interpreter that has its
requirements (at least torch, transformers, accelerate, pandas, atomicwrites and trainingsample); the checkout's `venv`
is taken without. Networks and what encodes with them are left out (simpletuner_reader.py). Nothing needs a GPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from exports.export_material import material, subset
from peers.real_export import Pictures, checkout, read_back, written

from datakit.exports.configs.simpletuner import aspect, bucket_px, buckets, edge_px
from datakit.exports.formats.simpletuner import EXPORT
from datakit.exports.model import Material, Plan
from datakit.exports.recipes.model import Recipe

RECIPE = Recipe(
    name="sdxl-lora",
    architecture="sdxl",
    prediction="v_prediction",
    zero_terminal_snr=True,
    base="base.safetensors",
    min_snr_gamma=5.0,
    prompts=("sks", "sks, hat"),
    resolution_px=(256, 256),
)
SIZES = [(256, 384), (512, 512), (400, 300), (300, 300), (1000, 999), (640, 360), (256, 320)]

pytestmark = pytest.mark.peers


def read(folder: Path) -> dict[str, Any]:
    return read_back(
        "simpletuner_reader.py", checkout("PEER_SIMPLETUNER"), str(folder), python="PEER_SIMPLETUNER_PYTHON"
    )


def asked(pictures: Pictures, folder: Path, **common: Any) -> Material:
    girl = [
        pictures.item(f"girl/{n}", "sks, 1girl ||| solo, hat, night", size, extension=("jpg", "png")[n % 2], mask=True)
        for n, size in enumerate(SIZES)
    ]
    return material(
        subset("girl", *girl, repeats=3),
        subset("少女", pictures.item("少女/é", "", (300, 300)), pictures.item("少女/b", "smile :)", (300, 500))),
        subset("reg", pictures.item("reg/r", "", (256, 256)), is_reg=True, class_tokens="girl"),
        subset("held", pictures.item("held/v", "1girl, solo", (256, 320)), is_validation=True, repeats=4),
        export=EXPORT,
        folder=str(folder),
        recipe=RECIPE,
        own={"cache_dir": str(folder.parent / "cache")},
        resolution=256,
        **common,
    )


def by_subset(found: dict[str, Any], given: Material) -> dict[str, dict[str, Any]]:
    """Subset → what SimpleTuner says of its backend, whose id begins with its name."""
    return {
        one.name: told
        for one in given.subsets
        for name, told in found["backends"].items()
        if name.startswith(f"{one.name}-") and not name.endswith("-mask")
    }


def test_options_are_known_and_held(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    written(EXPORT, pictures, asked(pictures, folder), folder)
    held = read(folder)["options"]
    expected = {
        "model_family": "sdxl",
        "model_type": "lora",
        "pretrained_model_name_or_path": "base.safetensors",
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "snr_gamma": 5,
        "lora_rank": 8,
        "optimizer": "adamw_bf16",
        "lr_scheduler": "cosine",
        "num_train_epochs": 10,
        "max_train_steps": 0,
        "grad_clip_method": "norm",
        "eval_epoch_interval": 1.0,
        "num_eval_images": 1,
        "checkpoint_epoch_interval": 1,
        "resolution": 256,
        "gradient_checkpointing": True,
        "caption_dropout_probability": 1e-6,
        "validation_prompt": "sks",
    }
    assert {key: held[key] for key in expected} == expected


def test_images_captions_repeats_buckets_and_masks(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    given = asked(pictures, folder)
    plan = written(EXPORT, pictures, given, folder)
    found = read(folder)
    assert not found["errors"]
    told = by_subset(found, given)
    assert sorted(told) == sorted(one.name for one in given.subsets)
    for one in given.subsets:
        said = told[one.name]
        assert said["shown"] == (1 if one.is_validation else one.repeats)
        assert said["is_reg"] == one.is_reg
        assert said["type"].endswith("eval" if one.is_validation else "image")
        assert {float(name): len(paths) for name, paths in said["buckets"].items()} == buckets(one, given)
        sizes = {f"{folder}/{one.name}/{item.file}": item.size_px for item in one.items}
        edge = edge_px(given)
        assert {path: tuple(size) for path, size in said["sizes"].items()} == {
            path: bucket_px(aspect(size), edge) for path, size in sizes.items()
        }
        assert said["prompts"] == {path: _caption(plan, folder, path) for path in sizes}
    (name,) = [name for name in found["masks"] if name.startswith("girl-")]
    assert len(found["masks"][name]) == len(SIZES)
    assert all(share == pytest.approx(0.5, abs=0.02) for share in found["masks"][name].values())


def _caption(plan: Plan, folder: Path, path: str) -> str:
    return plan.texts[str(Path(path).relative_to(folder).with_suffix(".txt"))].decode()


def test_shuffled_captions_keep_their_front_and_one_shape_holds_all(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    given = asked(pictures, folder, shuffle_caption=True, enable_bucket=False)
    written(EXPORT, pictures, given, folder)
    found = read(folder)
    assert not found["errors"]
    told = by_subset(found, given)
    assert {tuple(size) for said in told.values() for size in said["sizes"].values()} == {(256, 256)}
    for prompts in told["girl"]["prompts"].values():
        assert len(prompts) > 1
        assert all(prompt.startswith("sks, 1girl, ") for prompt in prompts)
        assert {tuple(sorted(prompt.split(", "))) for prompt in prompts} == {("1girl", "hat", "night", "sks", "solo")}
    assert set(told["held"]["prompts"].values()) == {"1girl, solo"}
