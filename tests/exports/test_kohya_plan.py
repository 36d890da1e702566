"""The kohya export as a pure function: folders, captions, dataset.toml, and what it tells."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from export_material import item, material, subset

from datakit.config import decode
from datakit.errors import ConfigError
from datakit.exports.formats.kohya import EXPORT
from datakit.exports.model import Plan, Subset
from datakit.exports.settings import Common
from trainer.data.dataset_toml import Fallback, read

# Keys of the schemas of sd-scripts' library/config_util.py that may stand in a subset, by the kind of its dataset.
ALL = {"image_dir": str, "num_repeats": int, "custom_attributes": dict}
DREAMBOOTH = {**ALL, "class_tokens": str, "is_reg": bool}
CONTROLNET = {**ALL, "conditioning_data_dir": str}
DATASET = {
    "resolution": list, "batch_size": int, "enable_bucket": bool, "bucket_no_upscale": bool, "bucket_reso_steps": int,
    "min_bucket_reso": int, "max_bucket_reso": int, "validation_split": float, "subsets": list,
}  # fmt: skip
GENERAL = {
    "caption_extension": str, "shuffle_caption": bool, "keep_tokens": int, "caption_dropout_rate": float,
    "caption_tag_dropout_rate": float, "flip_aug": bool, "keep_tokens_separator": str,
}  # fmt: skip
FACE = "x_1_2_3_4"


def plan(*subsets: Subset, own: dict[str, Any] | None = None, folder: str = "/set/export/kohya", **common: Any) -> Plan:
    return EXPORT.plan(material(*subsets, export=EXPORT, folder=folder, own=own, **common))


def tables(made: Plan) -> dict[str, Any]:
    """dataset.toml, checked against the schema: a dataset whose subsets all have masks is a ControlNet's."""
    table = tomllib.loads(made.texts["dataset.toml"].decode())
    assert set(table) == {"general", "datasets"}
    _check(table["general"], GENERAL)
    for one in table["datasets"]:
        _check(one, DATASET)
        is_masked = all("conditioning_data_dir" in row for row in one["subsets"])
        for row in one["subsets"]:
            _check(row, CONTROLNET if is_masked else DREAMBOOTH)
    return table


def _check(table: dict[str, Any], allowed: dict[str, type]) -> None:
    for key, value in table.items():
        assert type(value) is allowed[key], key


def test_folders_are_repeats_and_subset() -> None:
    made = plan(subset("a", item("a/x"), repeats=5), subset("b_c", item("b/c/y"), repeats=2), subset("u", item("z")))
    assert sorted(made.images) == ["1_u/z.png", "2_b_c/y.png", "5_a/x.png"]
    assert sorted(made.texts) == ["1_u/z.txt", "2_b_c/y.txt", "5_a/x.txt", "dataset.toml"]
    assert made.items == {"a/x": "5_a/x.png", "b/c/y": "2_b_c/y.png", "z": "1_u/z.png"}
    assert made.warnings == ()
    assert [row["num_repeats"] for row in tables(made)["datasets"][0]["subsets"]] == [5, 2, 1]


def test_an_empty_caption_is_not_written_and_said() -> None:
    made = plan(subset("a", *(item(f"a/{n}", "") for n in range(5)), item("a/y", "1girl")))
    assert [name for name in made.texts if name.endswith(".txt")] == ["1_a/y.txt"]
    assert len(made.images) == 6
    assert made.warnings == ("without caption, so that sd-scripts trains an empty prompt: a/0, a/1, a/2 and 2 more",)


def test_class_tokens_stand_for_a_caption_and_nobody_is_warned() -> None:
    made = plan(subset("a", item("a/x", ""), class_tokens="sks girl"))
    assert made.warnings == ()
    assert [*made.texts] == ["dataset.toml"]
    assert tables(made)["datasets"][0]["subsets"][0]["class_tokens"] == "sks girl"


@pytest.mark.parametrize(("tokens", "text"), [("", b"\n"), ("girl", b"girl")])
def test_an_image_without_caption_takes_none_of_another_by_its_name(tokens: str, text: bytes) -> None:
    made = plan(subset("a", item("a/x"), item(f"a/{FACE}", ""), class_tokens=tokens))
    assert made.texts[f"1_a/{FACE}.txt"] == text
    assert f"1_a/{FACE}.txt" not in plan(subset("a", item("a/y"), item(f"a/{FACE}", ""))).texts


def test_what_is_not_trained_lies_where_folder_mode_passes_over_it() -> None:
    made = plan(
        subset("a", item("a/x", mask=True), repeats=2),
        subset("girl", item("girl/r"), is_reg=True, repeats=3, class_tokens="girl"),
        subset("a-validation", item("a/v"), is_validation=True, repeats=2),
        subset("b", item("b/y")),
    )
    assert sorted(made.images) == [
        *("1_b/y.png", "2_a/x.png", "masks/2_a/x.png"),
        *("reg/3_girl/r.png", "validation/1_a-validation/v.png"),
    ]
    train, masked, held = tables(made)["datasets"]
    assert train["subsets"] == [
        {"image_dir": "1_b", "num_repeats": 1},
        {"image_dir": "reg/3_girl", "num_repeats": 3, "class_tokens": "girl", "is_reg": True},
    ]
    assert masked["subsets"] == [{"image_dir": "2_a", "num_repeats": 2, "conditioning_data_dir": "masks/2_a"}]
    assert held["subsets"] == [{"image_dir": "validation/1_a-validation", "num_repeats": 1}]
    assert [one.get("validation_split") for one in (train, masked, held)] == [None, None, 1.0]


def test_a_subset_with_masks_for_some_is_parted() -> None:
    made = plan(
        subset("a", item("a/x", mask=True), item("a/y"), item("a/z", "", mask=True), class_tokens="sks"),
        subset("a-masked", item("a-masked/x")),
    )
    (folder,) = {path.split("/")[0] for path in made.images if path.startswith("1_a-masked-")}
    assert sorted(made.images) == sorted(
        ["1_a/y.png", "1_a-masked/x.png", *(f"{a}{folder}/{b}.png" for a in ("", "masks/") for b in "xz")]
    )
    assert made.texts[f"{folder}/z.txt"] == b"sks", "such a dataset has no class tokens"
    bare, masked = tables(made)["datasets"]
    assert [row["image_dir"] for row in bare["subsets"]] == ["1_a", "1_a-masked"]
    assert [row["conditioning_data_dir"] for row in masked["subsets"]] == [f"masks/{folder}"]
    assert made.warnings == ("sd-scripts must be told --masked_loss: without it, it refuses a dataset.toml with masks",)


@pytest.mark.parametrize(
    ("subsets", "common", "words"),
    [
        ([subset("a", item("a/x"), loss_weight=2.0)], {}, "no notice of loss weights but of regularization images"),
        (
            [subset("a", item("a/x")), subset("r", item("r/x"), is_reg=True, loss_weight=0.5)],
            {},
            "--prior_loss_weight 0.5",
        ),
        (
            [
                subset("a", item("a/x"), is_reg=True),
                subset("r", item("r/x"), is_reg=True, loss_weight=0.5),
                subset("t", item("t/x")),
            ],
            {},
            "one loss weight for all regularization images",
        ),
        (
            [subset("a", item("a/x", mask=True)), subset("r", item("r/x"), is_reg=True)],
            {},
            "no regularization images where all others have masks: r",
        ),
        (
            [subset("a", item("a/x", mask=True), item("a/y")), subset("r", item("r/x"), is_reg=True)],
            {},
            "as often as images without masks only: r",
        ),
        (
            [subset("a", item("a/x")), subset("r", item("r/x", mask=True), is_reg=True)],
            {},
            "no masks for regularization and validation images: r",
        ),
        (
            [subset("a", item("a/x"), item("a/y", size_px=(9, 8)))],
            {"enable_bucket": False},
            "needs --cache_latents, or it stops at images that are not 1024 x 1024 px: a/y",
        ),
        ([subset("a", item("a/x"))], {"bucket_reso_steps": 32}, "bucket_reso_steps = 32: sd-scripts refuses it for SD"),
        ([subset("a", item("a/x"))], {"bucket_reso_steps": 16}, "for SD 1.5 and SDXL"),
    ],
)
def test_what_sd_scripts_cannot_hold_or_must_be_told_is_said(
    subsets: list[Subset], common: dict[str, Any], words: str
) -> None:
    made = plan(*subsets, **common)
    tables(made)
    assert any(words in one for one in made.warnings), made.warnings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"resolution": 128}, "min_bucket_reso 256 is over resolution 128"),
        ({"resolution": [1024, 200]}, "min_bucket_reso 256 is over resolution 200"),
        ({"resolution": 4096}, "max_bucket_reso 2048 is under resolution 4096"),
        ({"bucket_reso_steps": 512}, "min_bucket_reso 256 is under bucket_reso_steps 512"),
        ({"resolution": 32}, "under 64 px"),
        ({"resolution": [64]}, "resolution"),
        ({"repeats": 0}, "repeats"),
        ({"caption_dropout_rate": 1.5}, "caption_dropout_rate"),
        ({"keep_tokens": True}, "keep_tokens"),
    ],
)
def test_settings_that_sd_scripts_would_stop_at_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(settings, Common, where="[export]")
    assert words in caught.value.message


def test_a_wrong_way_to_write_paths_is_refused() -> None:
    with pytest.raises(ConfigError, match="image_dirs"):
        plan(subset("a", item("a/x")), own={"image_dirs": "relativ"})


@pytest.mark.parametrize(
    "settings",
    [
        {"resolution": 128, "enable_bucket": False},
        {"resolution": 250, "bucket_reso_steps": 100},  # sd-scripts rounds the shortest side down
        {"resolution": 2100, "bucket_reso_steps": 100},  # and the longest up
    ],
)
def test_bounds_that_sd_scripts_rounds_or_does_not_look_at_are_fine(settings: dict[str, object]) -> None:
    assert plan(subset("a", item("a/x")), **settings).images


def test_types_are_those_that_sd_scripts_insists_on() -> None:
    table = tables(plan(subset("a", item("a/x")), caption_dropout_rate=0, caption_tag_dropout_rate=1, resolution=512))
    assert type(table["general"]["caption_dropout_rate"]) is float
    assert table["datasets"][0]["resolution"] == [512, 512]


def test_absolute_paths_need_a_folder() -> None:
    own = {"image_dirs": "absolute"}
    held = subset("a", item("a/x", mask=True))
    made = plan(held, own=own)
    assert tables(made)["datasets"][0]["subsets"][0]["conditioning_data_dir"] == "/set/export/kohya/masks/1_a"
    assert not any("relative" in one for one in made.warnings)
    lost = plan(held, own=own, folder="")
    assert tables(lost)["datasets"][0]["subsets"][0]["image_dir"] == "1_a"
    assert any("relative paths" in one for one in lost.warnings)


def test_metadata_holds_what_is_trained() -> None:
    made = plan(
        subset("a", item("a/x", "tag, |||, other", size_px=(64, 32)), repeats=3),
        subset("b", item("b/y", ""), repeats=3, class_tokens="sks"),
        subset("r", item("r/x"), is_reg=True),
        subset("v", item("v/x"), is_validation=True),
        own={"metadata": True},
        shuffle_caption=True,
    )
    assert json.loads(made.texts["metadata.json"]) == {
        "3_a/x.png": {"caption": "tag, other", "image_size": [64, 32]},
        "3_b/y.png": {"caption": "sks", "image_size": [1024, 1024]},
    }
    assert made.warnings == (
        "metadata.json has no place for regularization and validation images: r, v",
        "metadata.json has no place for repeats: pass --dataset_repeats 3",
    )


def test_the_trainer_reads_back_what_was_asked_for(tmp_path: Path) -> None:
    made = plan(
        subset("a", item("a/x"), repeats=3), subset("b", item("b/y"), repeats=7), resolution=[128, 96], batch_size=2,
        min_bucket_reso=64, keep_tokens=1, shuffle_caption=True, caption_dropout_rate=0.25, flip_aug=True,
    )  # fmt: skip
    for name, text in made.texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text)
    for name in made.images:
        (tmp_path / name).write_bytes(b"")
    (size,) = read(tmp_path / "dataset.toml", Fallback(1, 512))
    assert (size.buckets.resolution_px, size.buckets.min_px, size.batch_size) == ((128, 96), 64, 2)
    assert [one.num_repeats for one in size.subsets] == [3, 7]


def test_loss_weights_are_for_dsk_s_own_trainer(tmp_path: Path) -> None:
    made = plan(
        subset("a", item("a/x"), loss_weight=0.5, repeats=2),
        subset("b", item("b/x", mask=True), loss_weight=3.0),
        subset("c", item("c/x")),
        subset("r", item("r/x"), is_reg=True, loss_weight=0.7),
        subset("h", item("h/x"), is_validation=True, loss_weight=4.0),
        own={"image_dirs": "relative"},
    )
    tables(made)
    text = made.texts["dataset.toml"].decode()
    assert "custom_attributes = {loss_weight = 0.5}" in text
    for path in {*made.images, *made.texts}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "dataset.toml").write_text(text)
    found = {
        one.image_dir.name: one.loss_weight
        for s in read(tmp_path / "dataset.toml", Fallback(1, 512))
        for one in s.subsets
    }
    assert found == {"2_a": 0.5, "1_b": 3.0, "1_c": 1.0, "1_r": 0.7, "1_h": 1.0}
    assert any("dsk bake does: a, b" in warning for warning in made.warnings)
