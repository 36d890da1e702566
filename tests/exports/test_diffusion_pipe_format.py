"""The export for diffusion-pipe: directories, captions that vary beforehand, its buckets and its main config."""

from __future__ import annotations

import json
import math
import tomllib
from typing import Any

import pytest
from exports.export_material import item, material, subset
from hypothesis import given as drawn
from hypothesis import strategies as st

from datakit.config import decode
from datakit.errors import UsageError
from datakit.exports.configs.diffusion_pipe import bucket_of, size_buckets
from datakit.exports.expressing import unheld
from datakit.exports.formats.diffusion_pipe import EXPORT
from datakit.exports.model import Material, Plan, Subset
from datakit.exports.recipes.model import Recipe
from datakit.exports.settings import Common
from trainer.data.buckets import BucketRule

GIRL = subset("girl", item("girl/x", "a, b"), item("girl/y", "", extension="jpg"), class_tokens="1girl", repeats=3)
HELD_BACK = subset("girl-validation", item("girl/z", "é"), concept="girl", is_validation=True, repeats=2)


def asked(*subsets: Subset, **fields: Any) -> Material:
    return material(*subsets, export=EXPORT, **fields)


def planned(*subsets: Subset, **fields: Any) -> Plan:
    return EXPORT.plan(asked(*subsets, **fields))


def table(plan: Plan, name: str = "dataset.toml") -> dict[str, Any]:
    return tomllib.loads(plan.texts[name].decode())


def captions(plan: Plan, folder: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(plan.texts[f"{folder}/captions.json"])
    return found


def main_config(given: Material, recipe: Recipe) -> tuple[str, dict[str, Any]]:
    assert EXPORT.configure is not None
    text = EXPORT.configure(given, recipe)["config.toml"].decode()
    return text, tomllib.loads(text)


def test_files_and_keys_are_those_that_the_trainer_reads() -> None:
    made = planned(GIRL, HELD_BACK)
    assert sorted(made.images) == ["images/girl/x.png", "images/girl/y.jpg", "validation/girl-validation/z.png"]
    assert captions(made, "images/girl") == {"x.png": ["a, b"], "y.jpg": ["1girl"]}
    found = table(made)
    assert found["directory"] == [{"path": "/set/export/x/images/girl", "num_repeats": 3}]
    assert {1} == {size[2] for size in found["size_buckets"]}
    assert set(found) == {"size_buckets", "skip_empty_caption", "directory"}
    held_back = table(made, "eval_dataset.toml")["directory"]
    assert held_back == [{"path": "/set/export/x/validation/girl-validation", "num_repeats": 1}]


def test_captions_are_ascii_whatever_they_say() -> None:
    text = planned(HELD_BACK).texts["validation/girl-validation/captions.json"]
    assert text.isascii()
    assert json.loads(text) == {"z.png": ["é"]}


def test_an_empty_caption_is_trained_and_told() -> None:
    made = planned(subset("a", item("a/x", "")))
    assert captions(made, "images/a") == {"x.png": [""]}
    assert table(made)["skip_empty_caption"] is False
    assert made.warnings == ("without caption, so that diffusion-pipe trains an empty prompt: a/x",)


def test_shuffled_captions_keep_what_stays_in_front_and_are_the_same_each_time() -> None:
    tags = [f"t{number}" for number in range(9)]
    given = subset("a", item("a/x", f"aria, smile, |||, {', '.join(tags)}"), item("a/y", "z, y, x"))
    fields: dict[str, Any] = {"shuffle_caption": True, "keep_tokens": 1, "own": {"variants": 5}}
    made = planned(given, **fields)
    found = captions(made, "images/a")
    assert [len(found[name]) for name in ("x.png", "y.png")] == [5, 5]
    assert len(set(found["x.png"])) > 1
    for caption in found["x.png"]:
        first, second, *rest = caption.split(", ")
        assert (first, second, sorted(rest)) == ("aria", "smile", tags)
    assert {caption.partition(",")[0] for caption in found["y.png"]} == {"z"}
    assert planned(given, **fields).texts == made.texts
    assert "captions change beforehand, 5 of each image, so that an epoch is 5 times as long" in made.warnings


def test_dropped_tags_keep_their_order_and_what_validates_keeps_all() -> None:
    given = subset("a", item("a/x", "a, b, c, d, e, f"))
    made = planned(given, HELD_BACK, caption_tag_dropout_rate=0.5, keep_tokens=1)
    found = captions(made, "images/a")["x.png"]
    assert all(caption.startswith("a") and caption == ", ".join(sorted(caption.split(", "))) for caption in found)
    assert min(len(caption) for caption in found) < len("a, b, c, d, e, f")
    assert len(captions(made, "validation/girl-validation")["z.png"]) == 1


def test_masks_lie_in_a_folder_of_their_own() -> None:
    made = planned(subset("a", item("a/x", mask=True), item("a/y")), subset("b", item("b/x")))
    assert "masks/a/x.png" in made.images
    assert [one.get("mask_path") for one in table(made)["directory"]] == ["/set/export/x/masks/a", None]


def test_what_diffusion_pipe_has_no_place_for_is_told() -> None:
    given = asked(
        subset("a", item("a/x"), loss_weight=0.5), subset("r", item("r/x"), is_reg=True), flip_aug=True,
        bucket_no_upscale=True,
    )  # fmt: skip
    told = " ".join([*unheld(EXPORT, given), *EXPORT.plan(given).warnings])
    for words in (
        "loss weights (a)",
        "no regularization images; these are trained as all others are: r",
        "flip_aug",
        "bucket_no_upscale",
    ):
        assert words in told
    (line,) = planned(GIRL, HELD_BACK, batch_size=2, caption_dropout_rate=0.1).warnings[:1]
    for words in ("micro_batch_size_per_gpu = 2", "uncond_fraction = 0.1", "eval_datasets"):
        assert words in line


def test_what_fills_no_batch_is_told() -> None:
    given = subset("a", item("a/x"), item("a/y"), item("a/z"), item("a/wide", size_px=(2048, 512)))
    told = planned(given, batch_size=2).warnings
    assert "diffusion-pipe leaves out buckets that do not fill a batch of 2: a/wide" in told
    assert "of 4 examples an epoch leaves out 1, always the same ones, to fill batches of 2" in told


@drawn(
    st.integers(8, 32).map(lambda steps: steps * 64), st.sampled_from([32, 64, 128]), st.integers(128, 512),
    st.integers(2048, 3000),
)  # fmt: skip
def test_buckets_are_those_of_sd_scripts_sorted_by_shape(side: int, steps: int, low: int, high: int) -> None:
    common = decode(
        {"resolution": side, "bucket_reso_steps": steps, "min_bucket_reso": low, "max_bucket_reso": high},
        Common, where="[export]",
    )  # fmt: skip
    found = size_buckets(common)
    shapes = [round(width / height, 3) for width, height in found]
    assert shapes == sorted(set(shapes))
    # Bounds as sd-scripts rounds them.
    rule = BucketRule((side, side), step_px=steps, min_px=low - low % steps, max_px=high + -high % steps)
    assert set(found) <= set(rule.sizes())
    assert {round(width / height, 3) for width, height in rule.sizes()} == set(shapes)


def test_usual_buckets_are_exactly_those_of_sd_scripts() -> None:
    for side in (512, 768, 1024, 1536):
        rule = BucketRule((side, side), min_px=256, max_px=2048)
        assert set(size_buckets(Common(resolution=side))) == set(rule.sizes())


def test_without_buckets_there_is_one() -> None:
    assert table(planned(GIRL, enable_bucket=False, resolution=[768, 512]))["size_buckets"] == [[768, 512, 1]]
    assert bucket_of((1, 9), [(512, 512), (256, 1024)]) == (256, 1024)


def test_a_main_config_holds_the_recipe() -> None:
    recipe = Recipe(
        name="noobai-vpred-lora", architecture="sdxl", base="b.safetensors", prediction="v_prediction",
        zero_terminal_snr=True, epochs=25, batch_size=2, gradient_accumulation=2, rank=8, alpha=4.0,
        min_snr_gamma=5.0, text_encoder_learning_rate=1e-5, warmup_steps=3, seed=7, prompts=("x",),
    )  # fmt: skip
    text, found = main_config(asked(GIRL, HELD_BACK, shuffle_caption=True, caption_dropout_rate=0.1), recipe)
    assert found["dataset"] == "/set/export/x/dataset.toml"
    assert found["eval_datasets"] == [{"name": "validation", "config": "/set/export/x/eval_dataset.toml"}]
    assert (found["epochs"], found["micro_batch_size_per_gpu"], found["uncond_fraction"]) == (math.ceil(2.5), 2, 0.1)
    assert found["adapter"] == {"type": "lora", "rank": 8, "dtype": "bfloat16"}
    assert (found["model"]["v_pred"], found["model"]["min_snr_gamma"], found["model"]["text_encoder_2_lr"]) == (
        True, 5.0, 1e-5,
    )  # fmt: skip
    assert found["optimizer"]["type"] == "adamw_optimi"
    for told in (
        "a LoRA's rank, 8, for its alpha: the recipe has 4",
        "no seed: the recipe has 7",
        "no sample pictures",
    ):
        assert told in text


def test_steps_become_epochs_enough_and_a_model_of_one_file_is_asked_for() -> None:
    recipe = Recipe(name="sdxl-finetune", architecture="sdxl", base="a/b", method="finetune", steps=40)
    text, found = main_config(asked(GIRL), recipe)
    assert "adapter" not in found
    # 6 images an epoch
    assert (found["max_steps"], found["epochs"], found["model"]["checkpoint_path"]) == (40, 7, "b.safetensors")
    assert "# diffusion-pipe reads SDXL from one file: put that of a/b to checkpoint_path in config.toml" in text


def test_sd_15_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        main_config(asked(GIRL), Recipe(name="sd15-lora", architecture="sd15", base="b"))
    assert caught.value.hint == "--with-config sdxl-lora"
