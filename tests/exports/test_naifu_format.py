"""The export for naifu: its section of data, repeats by paths, captions for its shuffling, and its config."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from exports.export_material import item, material, subset

from datakit.errors import UsageError
from datakit.exports.expressing import unheld
from datakit.exports.formats.naifu import EXPORT
from datakit.exports.model import Material, Plan, Subset
from datakit.exports.recipes.model import Recipe

TYPES = {
    "name": str,
    "img_path": str,
    "label_ext": str,
    "target_area": int,
    "min_size": int,
    "max_size": int,
    "divisible": int,
    "use_central_crop": bool,
    "process_batch_fn": str,
    "max_token_length": int,
    "repeat_strategy": list,
}
"""By data/bucket.py and data/image_storage.py; a batch size would be given twice there, and stops naifu."""
GIRL = subset("girl", item("girl/x", "a, b"), item("girl/y", ""), class_tokens="1girl", repeats=3)
BOY = subset("boy", item("boy/x"))


def asked(*subsets: Subset, **fields: Any) -> Material:
    return material(*subsets, export=EXPORT, **fields)


def planned(*subsets: Subset, **fields: Any) -> Plan:
    return EXPORT.plan(asked(*subsets, **fields))


def dataset(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(plan.texts["dataset.yaml"])["dataset"]
    return found


def config(given: Material, recipe: Recipe) -> dict[str, Any]:
    assert EXPORT.configure is not None
    found: dict[str, Any] = yaml.safe_load(EXPORT.configure(given, recipe)["config.yaml"])
    return found


def test_files_and_keys_are_those_that_the_trainer_reads() -> None:
    made = planned(GIRL, BOY)
    assert sorted(made.images) == ["images/boy/x.png", "images/girl/x.png", "images/girl/y.png"]
    assert made.texts["images/girl/y.txt"] == b"1girl"
    found = dataset(made)
    assert {name: type(value) for name, value in found.items()} == {name: TYPES[name] for name in found}
    assert (found["img_path"], found["label_ext"]) == ("/set/export/x/images", ".txt")
    assert found["process_batch_fn"] == "data.processors.identical"


def test_repeats_go_by_the_beginnings_of_paths() -> None:
    assert dataset(planned(GIRL, BOY))["repeat_strategy"] == [["/set/export/x/images/girl/", 3]]
    assert "repeat_strategy" not in dataset(planned(BOY))
    assert dataset(planned(GIRL, folder=""))["repeat_strategy"] == [["images/girl/", 3]]
    windows = dataset(planned(GIRL, folder="C:\\set"))
    assert windows["repeat_strategy"] == [["C:\\set\\images\\girl\\", 3]]


@pytest.mark.parametrize(
    ("caption", "keep", "written"),
    [
        ("aria, |||, b, c", 0, "aria ||| b, c"),
        ("aria, b, c", 2, "aria, b ||| c"),
        ("aria, |||, b, |||, c", 3, "aria ||| b, c"),
        ("b", 0, "||| b"),
        ("", 0, "1girl"),
    ],
)
def test_tags_in_front_are_parted_from_those_that_move(caption: str, keep: int, written: str) -> None:
    given = subset("a", item("a/x", caption), item("a/z", "z, |||, y"), class_tokens="1girl")
    made = planned(given, shuffle_caption=True, keep_tokens=keep)
    assert made.texts["images/a/x.txt"].decode() == written
    assert dataset(made)["process_batch_fn"] == "data.processors.shuffle_prompts_sdstyle"


def test_where_nothing_is_fixed_plain_captions_are_shuffled() -> None:
    made = planned(GIRL, shuffle_caption=True)
    assert made.texts["images/girl/x.txt"] == b"a, b"
    assert dataset(made)["process_batch_fn"] == "data.processors.shuffle_prompts"
    still = planned(subset("a", item("a/x", "a, |||, b")))
    assert still.texts["images/a/x.txt"] == b"a, b"


def test_what_is_held_back_lies_where_the_trainer_does_not_look() -> None:
    held_back = subset("girl-validation", item("girl/z"), is_validation=True, repeats=2)
    made = planned(GIRL, held_back)
    assert "validation/girl-validation/z.png" in made.images
    assert dataset(made)["repeat_strategy"] == [["/set/export/x/images/girl/", 3]]
    assert made.warnings == (
        "naifu validates with nothing; held back in validation/, where it does not look: girl-validation",
    )


@pytest.mark.parametrize(
    ("common", "expected", "told"),
    [
        ({}, (1048576, 256, 2048, 64), ""),
        ({"resolution": [768, 1344]}, (1032192, 256, 2048, 64), ""),
        ({"resolution": 1000}, (999424, 256, 2048, 64), "naifu takes areas in steps of 4096 pixels"),
        ({"min_bucket_reso": 250, "max_bucket_reso": 1500}, (1048576, 192, 1536, 64), ""),
        ({"enable_bucket": False, "resolution": 512}, (262144, 512, 512, 64), ""),
        ({"enable_bucket": False, "resolution": [512, 768]}, (331776, 576, 576, 64), "without buckets naifu trains"),
    ],
)
def test_buckets_are_those_of_the_settings(common: dict[str, Any], expected: tuple[int, ...], told: str) -> None:
    made = planned(BOY, **common)
    found = dataset(made)
    assert tuple(found[name] for name in ("target_area", "min_size", "max_size", "divisible")) == expected
    assert [told in one for one in made.warnings] == ([True] if told else [])


def test_without_enlarging_another_class_reads_the_images() -> None:
    made = planned(subset("a", item("a/x", size_px=(40, 900))), bucket_no_upscale=True, max_bucket_reso=1536)
    assert dataset(made)["name"] == "data.bucket.AdaptiveSizeDataset"
    assert "min_size" not in dataset(made)
    assert len(made.warnings) == 2
    assert made.warnings[0] == "shorter than one step of buckets, which stops naifu: a/x"


def test_what_naifu_has_no_place_for_is_told() -> None:
    given = asked(
        subset("a", item("a/x", mask=True), loss_weight=0.5), subset("r", item("r/x"), is_reg=True),
        flip_aug=True, caption_tag_dropout_rate=0.1,
    )  # fmt: skip
    told = " ".join([*unheld(EXPORT, given), *EXPORT.plan(given).warnings])
    for words in (
        "loss weights (a)",
        "no regularization images; these are trained as all others are: r",
        "masks (a)",
        "flip_aug",
        "caption_tag_dropout_rate",
    ):
        assert words in told
    assert EXPORT.plan(given).warnings == (
        "naifu has no regularization images; these are trained as all others are: r",
    )


def test_a_config_holds_the_recipe() -> None:
    recipe = Recipe(
        name="noobai-vpred-lora", architecture="sdxl", base="b.safetensors", prediction="v_prediction",
        zero_terminal_snr=True, steps=20, batch_size=2, rank=8, alpha=4.0, seed=7, prompts=("1girl",),
        min_snr_gamma=5.0, text_encoder_learning_rate=1e-5, warmup_steps=3, max_tokens=100, optimizer="adafactor",
    )  # fmt: skip
    found = config(asked(GIRL, BOY, batch_size=2, caption_dropout_rate=0.1), recipe)
    assert found["target"] == "modules.train_lycoris.setup"
    assert found["lycoris"] == {"linear_dim": 8, "linear_alpha": 4.0, "algo": "lora", "multiplier": 1.0}
    # 7 images, 4 updates an epoch, 5 epochs
    assert (found["trainer"]["max_epochs"], found["trainer"]["batch_size"], found["trainer"]["seed"]) == (5, 2, 7)
    assert found["scheduler"]["params"] == {"num_warmup_steps": 3, "num_training_steps": 20}
    advanced = found["advanced"]
    assert (advanced["min_snr"], advanced["v_parameterization"], advanced["zero_terminal_snr"]) == (True, True, True)
    assert (advanced["condition_dropout_rate"], advanced["text_encoder_2_lr"]) == (0.1, 1e-5)
    assert (found["dataset"]["max_token_length"], found["sampling"]["enabled"]) == (150, True)
    assert found["optimizer"]["name"] == "transformers.optimization.Adafactor"
    assert "batch_size" not in found["dataset"]


def test_a_model_of_one_file_is_asked_for_and_said() -> None:
    assert EXPORT.configure is not None
    recipe = Recipe(name="sdxl-finetune", architecture="sdxl", base="a/b", method="finetune", scheduler="constant")
    text = EXPORT.configure(asked(BOY), recipe)["config.yaml"].decode()
    assert "# naifu reads SDXL from one file: put that of a/b to trainer.model_path in config.yaml" in text
    found = yaml.safe_load(text)
    assert (found["trainer"]["model_path"], found["target"]) == ("b.safetensors", "modules.train_sdxl.setup")
    assert found["scheduler"]["params"] == {"num_warmup_steps": 0}


def test_a_lora_of_sd_15_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        config(asked(BOY), Recipe(name="sd15-lora", architecture="sd15", base="b"))
    assert caught.value.hint
    found = config(asked(BOY), Recipe(name="sd15-finetune", architecture="sd15", base="b", method="finetune"))
    assert (found["trainer"]["clip_skip"], found["advanced"]["train_text_encoder"]) == (1, False)
