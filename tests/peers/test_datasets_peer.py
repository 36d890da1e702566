"""Hugging Face datasets, from its package, reads imagefolder, parquet, the published folder and the shards back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exports.export_material import material, subset
from peers.hub_packages import SETTINGS, load, run_dsk, wip
from peers.lent_environment import environment
from peers.real_export import Pictures, written

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.exports.formats import diffusers, imagefolder

pytestmark = pytest.mark.peers


@pytest.fixture
def python() -> Path:
    """A Python with datasets, and the pyarrow that it brings."""
    return environment("datasets", "pillow", "pyarrow")


@pytest.fixture
def filled(empty: Project, scrape: Callable[..., Path]) -> Project:
    """A dataset with a concept that is called as a split is, and settings that formats must carry."""
    import_folder(empty, scrape(aria=5, test=4))
    advance(empty)
    path = empty.dataset.root / "dsk.toml"
    text = path.read_text("utf-8").replace("\n[export]\n", SETTINGS, 1)
    path.write_text(text, "utf-8")
    return open_project(empty.dataset.root)


def assert_same(read: dict[str, Any], project: Project, *, facts: bool = True) -> None:
    """Each image once, with its caption, in the right split."""
    known = wip(project)
    rows = [(split, row) for split, rows in read["splits"].items() for row in rows]
    assert set(read["splits"]) == {"train", "validation"}
    found = {row["sha256"]: (row["concept"], row["text"], row["image"]) for _, row in rows}
    assert found == known
    assert len(rows) == len(known)
    held_back = [row for split, row in rows if split == "validation"]
    assert {row["concept"] for row in held_back} == {"aria", "test"}
    assert {(row["concept"], row["repeats"], row["loss_weight"]) for _, row in rows} == {
        ("aria", 3, 1.0),
        ("test", 1, 0.5),
    }
    assert read["features"]["train"] == read["features"]["validation"]
    assert read["features"]["train"]["image"].startswith("Image")


def test_imagefolder(python: Path, filled: Project, tmp_path: Path) -> None:
    run_dsk(python, filled, "export", "--format", "imagefolder", "--to", tmp_path / "out")
    assert_same(load(python, tmp_path / "hf", "imagefolder", tmp_path / "out"), filled)


@pytest.mark.parametrize("name", ["imagefolder", "parquet"])
def test_what_is_published(python: Path, filled: Project, tmp_path: Path, name: str) -> None:
    run_dsk(python, filled, "publish", "--format", name, "--to", tmp_path / "out")
    assert_same(load(python, tmp_path / "hf", "folder", tmp_path / "out"), filled)


def test_parquet_without_a_card(python: Path, filled: Project, tmp_path: Path) -> None:
    run_dsk(python, filled, "export", "--format", "parquet", "--to", tmp_path / "out")
    assert_same(load(python, tmp_path / "hf", "parquet", tmp_path / "out"), filled)


def test_shards_of_webdataset(python: Path, filled: Project, tmp_path: Path) -> None:
    run_dsk(python, filled, "export", "--format", "webdataset", "--to", tmp_path / "out")
    read = load(python, tmp_path / "hf", "webdataset", tmp_path / "out")
    for rows in read["splits"].values():
        for row in rows:
            row |= {**row["json"], "image": row["png"]}
            assert row["txt"] == row["text"]
    for features in read["features"].values():
        features["image"] = features["png"]
    assert_same(read, filled)


def test_masks_are_images_too(python: Path, tmp_path: Path) -> None:
    pictures = Pictures()
    items = [pictures.item(f"a/{name}", "1girl", (64, 48), mask=True) for name in ("x", "y")]
    given = material(subset("a", *items), export=imagefolder.EXPORT)
    written(imagefolder.EXPORT, pictures, given, tmp_path / "out")
    rows = load(python, tmp_path / "hf", "imagefolder", tmp_path / "out")["splits"]["train"]
    assert [(row["image"][:2], row["mask"][:2]) for row in rows] == [(["RGB", [64, 48]], ["L", [64, 48]])] * 2


def test_repeated_rows_are_repeated_images(python: Path, tmp_path: Path) -> None:
    """As diffusers' scripts load what `--train_data_dir` names."""
    pictures = Pictures()
    one = subset("a", pictures.item("a/x", "one", (64, 64)), repeats=3)
    two = subset("b", pictures.item("b/y", "two", (64, 48)))
    other = subset("c", pictures.item("c/z", "held back", (64, 48)), is_validation=True)
    given = material(one, two, other, export=diffusers.EXPORT)
    written(diffusers.EXPORT, pictures, given, tmp_path / "out")
    read = load(python, tmp_path / "hf", "rows", tmp_path / "out" / "train")
    assert [row["text"] for row in read["splits"]["train"]] == ["one"] * 3 + ["two"]
    assert list(read["features"]["train"]) == ["image", "text"]
