"""The imagefolder export as a pure function: rows, splits, and folders that datasets would take for splits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from exports.export_material import item, material, subset

from datakit.exports.expressing import FEATURES, unheld
from datakit.exports.formats.imagefolder import EXPORT
from datakit.exports.model import Plan
from datakit.model.record import Record

COLUMNS = {
    "file_name": str,
    "text": str,
    "concept": str,
    "repeats": int,
    "loss_weight": float,
    "is_reg": bool,
    "width": int,
    "height": int,
    "sha256": str,
}
RECORDS = ("rating", "site", "post_id", "source", "artist", "character", "copyright")


def rows(plan: Plan, split: str = "train") -> list[dict[str, Any]]:
    return [json.loads(line) for line in plan.texts[f"{split}/metadata.jsonl"].decode().splitlines()]


def test_the_tree_and_the_rows() -> None:
    made = EXPORT.plan(
        material(
            subset("aria", item("aria/x", "1girl, solo"), item("aria/y", "a ||| b"), repeats=3, loss_weight=0.5),
            subset("beth-validation", item("beth/z", "2girls"), concept="beth", is_validation=True),
            export=EXPORT,
        )
    )
    assert sorted(made.images) == ["train/aria/x.png", "train/aria/y.png", "validation/beth-validation/z.png"]
    assert sorted(made.texts) == ["train/metadata.jsonl", "validation/metadata.jsonl"]
    assert made.items == {
        "aria/x": "train/aria/x.png",
        "aria/y": "train/aria/y.png",
        "beth/z": "validation/beth-validation/z.png",
    }
    first, second = rows(made)
    assert (first["file_name"], first["text"], first["repeats"], first["loss_weight"]) == (
        "aria/x.png",
        "1girl, solo",
        3,
        0.5,
    )
    assert second["text"] == "a, b"
    assert rows(made, "validation")[0]["concept"] == "beth"
    assert made.warnings == ()


def test_every_row_has_the_same_columns_of_the_same_types() -> None:
    record = Record(
        sha256="",
        size_bytes=1,
        original="",
        imported_at="",
        rating="explicit",
        site="danbooru",
        post_id="7",
        urls=("https://example.org/7",),
        tags={"artist": ("a_b", "c"), "general": ("x",)},
    )
    made = EXPORT.plan(
        material(
            subset("aria", item("aria/x", "", record=record), item("aria/y", record=None)),
            subset("beth", item("beth/z"), is_validation=True, loss_weight=2),
            export=EXPORT,
            own={"records": True},
        )
    )
    found = rows(made) + rows(made, "validation")
    expected = COLUMNS | dict.fromkeys(RECORDS, str)
    assert [{name: type(value) for name, value in row.items()} for row in found] == [expected] * 3
    assert (found[0]["rating"], found[0]["artist"], found[0]["source"]) == (
        "explicit",
        "a_b, c",
        "https://example.org/7",
    )


def test_class_tokens_stand_for_an_empty_caption() -> None:
    made = EXPORT.plan(
        material(
            subset("aria", item("aria/x", ""), item("aria/y", "1girl"), class_tokens="aria girl"),
            subset("beth", item("beth/z", "")),
            export=EXPORT,
        )
    )
    assert [row["text"] for row in rows(made)] == ["aria girl", "1girl", ""]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("test", "xtest"),
        ("test_subject", "xtest_subject"),
        ("my-dev-2", "my-xdev-2"),
        ("valid", "xvalid"),
        ("training photos", "training photos"),
        ("2eval", "2xeval"),
        ("__cache", "x__cache"),
        ("masks", "masks-"),
        ("contest", "contest"),
        ("devil", "devil"),
        ("trained", "trained"),
        ("Test", "Test"),
    ],
)
def test_a_folder_that_datasets_would_take_for_a_split_or_hide_is_called_otherwise(name: str, folder: str) -> None:
    made = EXPORT.plan(material(subset(name, item(f"{name}/x")), export=EXPORT))
    (path,) = made.images
    assert path.startswith(f"train/{folder}")
    assert rows(made)[0]["file_name"] == path.removeprefix("train/")
    assert rows(made)[0]["concept"] == name
    assert bool(made.warnings) == (folder.startswith(("x", "my-x", "2x")))


def test_folders_stay_apart_after_they_were_called_otherwise() -> None:
    made = EXPORT.plan(material(subset("test", item("test/x")), subset("xtest", item("xtest/x")), export=EXPORT))
    assert len(made.images) == 2


def test_masks_are_a_column_where_every_image_has_one() -> None:
    both = subset("aria", item("aria/x", mask=True), item("aria/y", mask=True))
    made = EXPORT.plan(material(both, export=EXPORT))
    assert sorted(made.images) == [
        *("train/aria/x.png", "train/aria/y.png", "train/masks/aria/x.png", "train/masks/aria/y.png")
    ]
    assert [row["mask_file_name"] for row in rows(made)] == ["masks/aria/x.png", "masks/aria/y.png"]
    some = subset("aria", item("aria/x", mask=True), item("aria/y"))
    made = EXPORT.plan(material(some, export=EXPORT))
    assert "mask_file_name" not in rows(made)[0]
    assert made.warnings == ("no column of masks is written, since images have none: aria/y",)


def test_a_name_that_is_not_utf_8_is_written_as_an_escape() -> None:
    made = EXPORT.plan(material(subset("aria", item("aria/x", "1girl, \udcff")), export=EXPORT))
    assert rows(made)[0]["text"] == "1girl, \\udcff"


def test_what_it_cannot_hold_is_told() -> None:
    given = material(
        subset("aria", item("aria/x"), repeats=2, loss_weight=0.5, is_reg=True), export=EXPORT, flip_aug=True
    )
    assert list(unheld(EXPORT, given)) == ["imagefolder has no place for mirroring (flip_aug = true)"]
    assert set(FEATURES) >= EXPORT.can
