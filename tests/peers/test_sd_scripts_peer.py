"""sd-scripts reads an export back: its config_util and dataset classes, and its scripts' arguments, on the CPU.

PEER_SD_SCRIPTS names a checkout of kohya-ss/sd-scripts, PEER_SD_SCRIPTS_PYTHON an interpreter that has its
requirements; the checkout's `venv` is taken without. Read are the batches themselves, from images and masks on disk;
what is stood in for says sd_scripts_reader.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from exports.export_material import material, subset
from peers.real_export import Pictures, checkout, read_back, written

from datakit.exports.formats.kohya import EXPORT
from datakit.exports.model import Material, Plan
from datakit.exports.recipes.model import Recipe
from datakit.lint.context import Training
from datakit.lint.facts.buckets import fit as lint_fit
from trainer.data.buckets import BucketRule, fit

pytestmark = pytest.mark.peers

SIZES = ((256, 384), (512, 512), (400, 300), (900, 310), (130, 300), (64, 64), (257, 255))
KINDS = ("png", "jpg", "webp", "bmp")
RULE = {"resolution": 256, "min_bucket_reso": 64, "max_bucket_reso": 512}


def read(folder: Path, what: str) -> dict[str, Any]:
    return read_back(
        "sd_scripts_reader.py", checkout("PEER_SD_SCRIPTS"), str(folder), what, python="PEER_SD_SCRIPTS_PYTHON"
    )


def asked(pictures: Pictures, folder: Path, own: dict[str, Any] | None = None, **common: Any) -> Material:
    """Unicode, a subset with masks for some, regularization, validation, an image without caption."""
    girl = [
        pictures.item(
            f"girl/{n}", f"sks, 1girl, |||, n{n}, hat, night", size, extension=("png", "jpg", "webp", "bmp")[n % 4]
        )
        for n, size in enumerate(SIZES)
    ]
    masked = [pictures.item("m/x", "sks, m", (300, 200), mask=True), pictures.item("m/y", "", (256, 256), mask=True)]
    other = [pictures.item("少女/é", "1girl, smile :)", (300, 300)), pictures.item("少女/é_1_2_3_4", "", (64, 80))]
    return material(
        subset("girl", *girl, repeats=3, loss_weight=0.5),
        subset("mixed", *masked, pictures.item("m/z", "bare of mask", (256, 256)), repeats=2, class_tokens="mm"),
        subset("少女", *other),
        subset("reg", pictures.item("reg/r", "girl", (256, 256)), is_reg=True, class_tokens="girl"),
        subset("held", pictures.item("held/v", "1girl, solo", (256, 320)), is_validation=True, repeats=4),
        export=EXPORT,
        folder=str(folder),
        own=own,
        **{**RULE, **common},
    )


def expected(given: Material, plan: Plan, *, held: bool) -> dict[str, tuple[int, tuple[int, int]]]:
    """Path → (repeats, bucket) as dsk says; of regularization images sd-scripts works repeats out itself."""
    rule = BucketRule(given.common.sides_px, min_px=64, max_px=512, no_upscale=given.common.bucket_no_upscale)
    return {
        plan.items[item.key]: (1 if held else one.repeats, fit(rule, item.size_px).bucket_px)
        for one in given.subsets
        if one.is_validation == held and not one.is_reg
        for item in one.items
    }


@pytest.mark.parametrize("paths", ["relative", "absolute"])
@pytest.mark.parametrize("no_upscale", [False, True])
def test_dataset_toml_gives_the_images_captions_repeats_buckets_and_masks(
    tmp_path: Path, paths: str, no_upscale: bool
) -> None:
    folder, pictures = tmp_path / "exp ort", Pictures()
    given = asked(pictures, folder, {"image_dirs": paths}, bucket_no_upscale=no_upscale, batch_size=2)
    plan = written(EXPORT, pictures, given, folder)
    found = read(folder, "config-masked")
    trained = {row["path"]: row for row in found["trained"] if not row["is_reg"]}
    got = {path: (row["repeats"], tuple(row["bucket"])) for path, row in trained.items()}
    assert got == expected(given, plan, held=False)
    assert {row["path"]: (row["repeats"], tuple(row["bucket"])) for row in found["held"]} == expected(
        given, plan, held=True
    )
    for one in given.subsets:
        for item in one.items:
            row = trained.get(plan.items[item.key])
            if row is not None:
                said = item.caption.replace(" |||,", "") or one.class_tokens
                assert row["caption"] == said
                assert row["drawn"] == said
                assert row["mask"] == (pytest.approx(0.5, abs=0.02) if item.mask else None)
    (reg,) = (row for row in found["trained"] if row["is_reg"])
    assert (reg["path"], reg["caption"]) == ("reg/1_reg/r.png", "girl")
    bare = sum(row["repeats"] for row in trained.values() if row["mask"] is None)
    assert reg["repeats"] == bare, "as often as all images of its dataset together"


def test_lint_s_buckets_are_sd_scripts_s(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    given = asked(pictures, folder)
    plan = written(EXPORT, pictures, given, folder)
    rows = {row["path"]: row for row in read(folder, "config-masked")["trained"]}
    training = Training(resolution_px=(256, 256), min_bucket_px=64, max_bucket_px=512)
    for one in given.subsets:
        for item in one.items:
            if plan.items[item.key] in rows:
                found = lint_fit(training, item.size_px)
                row = rows[plan.items[item.key]]
                assert (tuple(row["bucket"]), tuple(row["resized"])) == (found.bucket_px, found.resized_px), (
                    item.size_px
                )


def test_without_masked_loss_a_dataset_with_masks_is_refused(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    written(EXPORT, pictures, asked(pictures, folder), folder)
    with pytest.raises(AssertionError, match="conditioning_data_dir"):
        read(folder, "config")


def test_folder_mode_trains_what_dsk_says_and_nothing_held_back(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    given = asked(pictures, folder)
    plan = written(EXPORT, pictures, given, folder)
    found = read(folder, "folder")
    trained = {row["path"]: (row["repeats"], tuple(row["bucket"])) for row in found["trained"] if not row["is_reg"]}
    assert trained == expected(given, plan, held=False)
    assert {row["path"] for row in found["trained"] if row["is_reg"]} == {"reg/1_reg/r.png"}
    assert found["held"] == []


def test_the_separator_fixes_what_stands_before_it(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    given = asked(pictures, folder, shuffle_caption=True, keep_tokens=1)
    written(EXPORT, pictures, given, folder)
    rows = [row for row in read(folder, "config-masked")["trained"] if row["path"].startswith("3_girl/")]
    assert len(rows) == len(SIZES)
    for row in rows:
        tags = row["drawn"].split(", ")
        assert tags[:2] == ["sks", "1girl"]
        assert sorted(tags) == sorted(row["caption"].replace(" |||,", "").split(", "))


def test_finetune_metadata(tmp_path: Path) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    given = asked(pictures, folder, {"metadata": True})
    plan = written(EXPORT, pictures, given, folder)
    found = {row["path"]: row for row in read(folder, "metadata")["trained"]}
    wanted = expected(given, plan, held=False)
    assert {path: tuple(row["bucket"]) for path, row in found.items()} == {path: one[1] for path, one in wanted.items()}
    captions = {
        plan.items[i.key]: i.caption.replace(" |||,", "") or s.class_tokens for s in given.subsets for i in s.items
    }
    assert all(row["caption"] == captions[path] for path, row in found.items())


@pytest.mark.parametrize("method", ["lora", "finetune"])
@pytest.mark.parametrize("architecture", ["sdxl", "sd15"])
def test_the_starter_config_is_the_script_s_own(tmp_path: Path, method: Any, architecture: Any) -> None:
    folder, pictures = tmp_path / "export", Pictures()
    recipe = Recipe(
        name="x", architecture=architecture, method=method, base="b", prediction="v_prediction", zero_terminal_snr=True,
        min_snr_gamma=5.0, text_encoder_learning_rate=5e-5, prompts=("# sks",), warmup_steps=10, cache_text=True,
        optimizer="adafactor",
    )  # fmt: skip
    given = asked(pictures, folder)
    written(
        EXPORT,
        pictures,
        Material(**{**{f: getattr(given, f) for f in given.__struct_fields__}, "recipe": recipe}),
        folder,
    )
    head = (folder / "config.toml").read_text("utf-8").splitlines()[1]
    script = next(word for word in head.split() if word.startswith("SD_SCRIPTS/")).removeprefix("SD_SCRIPTS/")[:-3]
    found = read(folder, f"{script}:config.toml")
    assert found["unknown"] == []
    assert found["values"]["masked_loss"] == "True"
    assert found["values"]["dataset_config"] == "dataset.toml"
