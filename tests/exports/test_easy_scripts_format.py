"""The TOML of LoRA Easy Training Scripts: what its tabs load, what its backend validates, and our own import of it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from export_material import item, material, subset

from datakit.errors import UsageError
from datakit.exports.formats.easy_scripts import EXPORT
from datakit.exports.model import Plan, Subset
from datakit.exports.recipes.model import Recipe
from datakit.sources.easy_training import image_folders, subsets_in

# Keys that main_ui_files/*.py load, by tab.
SUBSET = {
    "name": str, "image_dir": str, "num_repeats": int, "caption_extension": str, "shuffle_caption": bool,
    "keep_tokens": int, "flip_aug": bool, "caption_dropout_rate": float, "caption_tag_dropout_rate": float,
    "is_reg": bool, "is_val": bool, "conditioning_data_dir": str,
}  # fmt: skip
DATASET = {
    "general_args": {"resolution": int | list, "batch_size": int},
    "bucket_args": {
        "enable_bucket": bool, "bucket_no_upscale": bool, "min_bucket_reso": int, "max_bucket_reso": int,
        "bucket_reso_steps": int,
    },
}  # fmt: skip
ARGS = {
    "general_args": {
        "pretrained_model_name_or_path": str, "sdxl": bool, "no_half_vae": bool, "clip_skip": int,
        "v_parameterization": bool, "mixed_precision": str, "gradient_checkpointing": bool,
        "gradient_accumulation_steps": int, "max_train_steps": int, "max_train_epochs": int, "seed": int,
        "max_token_length": int, "sdpa": bool, "cache_latents": bool, "keep_tokens_separator": str,
        "prior_loss_weight": float,
    },
    "network_args": {
        "network_dim": int, "network_alpha": float, "network_train_unet_only": bool,
        "cache_text_encoder_outputs": bool,
    },
    "optimizer_args": {
        "optimizer_type": str, "optimizer_args": dict, "lr_scheduler": str, "learning_rate": float, "loss_type": str,
        "max_grad_norm": float, "text_encoder_lr": float, "warmup_ratio": float, "min_snr_gamma": int,
        "zero_terminal_snr": bool, "masked_loss": bool,
    },
    "saving_args": {
        "output_dir": str, "output_name": str, "save_precision": str, "save_model_as": str, "save_every_n_epochs": int,
    },
    "sample_args": {"sample_sampler": str, "sample_every_n_epochs": int, "sample_prompts": str},
}  # fmt: skip
RECIPE = Recipe(name="sdxl-lora", architecture="sdxl", base="base.safetensors")
DERRIAN = {"code_line": "derrian-distro"}


def plan(*subsets: Subset, own: dict[str, Any] | None = None, **common: Any) -> Plan:
    return EXPORT.plan(material(*subsets, export=EXPORT, own=own, **common))


def read(texts: dict[str, bytes]) -> dict[str, Any]:
    """The TOML, as MainUI.process_toml takes it apart, and checked as the tabs load it."""
    assert texts["easy-scripts.toml"].isascii()
    table = tomllib.loads(texts["easy-scripts.toml"].decode())
    assert table["train_mode"] == {"train_mode": "lora"}
    for row in table["subsets"]:
        check(row, SUBSET)
    for name, held in table.items():
        if name not in ("subsets", "train_mode"):
            assert held.keys() <= {"args", "dataset_args"}
            check(held.get("args", {}), ARGS.get(name, {}))
            check(held.get("dataset_args", {}), DATASET.get(name, {}))
            assert all(held.values()), "the backend refuses a group with nothing in it"
    return table


def check(table: dict[str, Any], allowed: dict[str, Any]) -> None:
    for key, value in table.items():
        kinds = getattr(allowed[key], "__args__", (allowed[key],))
        assert type(value) in kinds, key


def test_subsets_and_settings() -> None:
    made = plan(
        subset("少女", item("少女/x"), repeats=5), subset("r", item("r/x"), is_reg=True, loss_weight=0.5),
        shuffle_caption=True, keep_tokens=1, resolution=[832, 1216], batch_size=2,
    )  # fmt: skip
    table = read(made.texts)
    reg, girl = table["subsets"]
    assert girl == {
        "name": "5_少女", "image_dir": "/set/export/x/5_少女", "num_repeats": 5, "caption_extension": ".txt",
        "shuffle_caption": True, "keep_tokens": 1,
    }  # fmt: skip
    assert (reg["image_dir"], reg["is_reg"]) == ("/set/export/x/reg/1_r", True)
    assert table["general_args"] == {
        "args": {"prior_loss_weight": 0.5},
        "dataset_args": {"resolution": [832, 1216], "batch_size": 2},
    }
    assert table["bucket_args"]["dataset_args"]["enable_bucket"] is True
    assert made.warnings == ()


def test_class_tokens_become_captions() -> None:
    made = plan(subset("a", item("a/x", ""), class_tokens="sks girl"), subset("b", item("b/x", "")))
    assert made.texts["1_a/x.txt"] == b"sks girl"
    assert "1_b/x.txt" not in made.texts
    assert made.warnings == ("without caption, so that an empty prompt is trained: b/x",)


def test_what_is_held_back_is_known_to_the_fork_alone() -> None:
    subsets = subset("a", item("a/x")), subset("v", item("v/x"), is_validation=True, repeats=3)
    fork = plan(*subsets)
    assert [(row["name"], row.get("is_val")) for row in read(fork.texts)["subsets"]] == [
        ("1_a", None),
        ("validation/1_v", True),
    ]
    assert fork.warnings == ()
    other = plan(*subsets, own=DERRIAN)
    assert [row["name"] for row in read(other.texts)["subsets"]] == ["1_a"]
    assert "validation/1_v/x.png" in other.images
    assert any("no images to validate with" in one and "v" in one for one in other.warnings)


@pytest.mark.parametrize(
    ("more", "own", "is_masked"),
    [
        ([], None, True),
        ([subset("b", item("b/x"))], None, False),
        ([subset("r", item("r/x"), is_reg=True)], None, False),
        ([subset("v", item("v/x"), is_validation=True)], None, False),
        ([subset("v", item("v/x"), is_validation=True)], DERRIAN, True),
    ],
)
def test_masks_only_where_every_subset_has_them(more: list[Subset], own: Any, is_masked: bool) -> None:
    made = plan(subset("a", item("a/x", mask=True)), *more, own=own)
    table = read(made.texts)
    assert ("masks/1_a/x.png" in made.images) == is_masked
    assert table.get("optimizer_args", {}).get("args", {}) == ({"masked_loss": True} if is_masked else {})
    assert any("no masks beside images without" in one for one in made.warnings) != is_masked


def test_the_separator_is_a_general_argument() -> None:
    made = plan(subset("a", item("a/x", "sks, |||, hat")), shuffle_caption=True)
    assert read(made.texts)["general_args"]["args"] == {"keep_tokens_separator": "|||"}
    assert made.texts["1_a/x.txt"] == b"sks, |||, hat"
    assert plan(subset("a", item("a/x", "sks, |||, hat"))).texts["1_a/x.txt"] == b"sks, hat"


def test_our_own_import_reads_it_back(tmp_path: Path) -> None:
    subsets = subset("少女", item("少女/x"), repeats=5), subset("reg", item("reg/x"), is_reg=True)
    made = EXPORT.plan(material(*subsets, export=EXPORT, folder=str(tmp_path), keep_tokens=2))
    text = made.texts["easy-scripts.toml"]
    (tmp_path / "easy-scripts.toml").write_bytes(text)
    assert image_folders(tmp_path / "easy-scripts.toml") == [tmp_path / "reg/1_reg", tmp_path / "5_少女"]
    assert [(one.settings["num_repeats"], one.settings["keep_tokens"]) for one in subsets_in(text.decode())] == [
        (1, 2),
        (5, 2),
    ]


def test_a_starter_config_fills_the_tabs() -> None:
    recipe = Recipe(
        name="noobai-vpred-lora", architecture="sdxl", base="b", prediction="v_prediction", zero_terminal_snr=True,
        optimizer="adafactor", warmup_steps=10, min_snr_gamma=5.0, prompts=("sks",), negative="bad",
        text_encoder_learning_rate=5e-5,
    )  # fmt: skip
    given = material(subset("a", item("a/x"), item("a/y"), repeats=5), export=EXPORT, recipe=recipe)
    assert EXPORT.configure is not None
    texts = EXPORT.configure(given, recipe)
    table = read(texts)
    assert table["optimizer_args"]["args"]["optimizer_type"] == "AdaFactor"
    assert table["optimizer_args"]["args"]["warmup_ratio"] == 0.1
    assert table["subsets"][0]["num_repeats"] == 5
    assert texts["prompts.txt"] == b"sks --n bad --w 1024 --h 1024 --d 0\n"


def test_it_makes_loras_alone() -> None:
    recipe = Recipe(name="sdxl-finetune", architecture="sdxl", method="finetune", base="b")
    assert EXPORT.configure is not None
    with pytest.raises(UsageError, match="trains no sdxl-finetune") as caught:
        EXPORT.configure(material(subset("a", item("a/x")), export=EXPORT, recipe=recipe), recipe)
    assert "--with-config sdxl-lora" in caught.value.hint


def test_an_archive_has_relative_paths_and_says_so() -> None:
    made = plan(subset("a", item("a/x")), folder="")
    assert read(made.texts)["subsets"][0]["image_dir"] == "1_a"
    assert any("relative paths" in one for one in made.warnings)


def test_buckets_that_sd_scripts_stops_at_are_told() -> None:
    (told,) = plan(subset("a", item("a/x")), bucket_reso_steps=16).warnings
    assert told == "bucket_reso_steps = 16: sd-scripts refuses it for SD 1.5 and SDXL"
