"""What is exported is imported again: the same images, with the same captions, and records where they went along."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from datakit.actions.advancing import advance
from datakit.actions.exporting.elsewhere import Target, export_elsewhere
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.starting import start_dataset

Held = dict[str, tuple[str, str]]
"""sha256 → (concept, caption)"""


def held(root: Path, stage: str) -> Held:
    found = {}
    for path in sorted((root / stage).rglob("*.png")):
        caption = path.with_suffix(".txt").read_text("utf-8").strip()
        found[hashlib.sha256(path.read_bytes()).hexdigest()] = (path.parent.name, caption)
    return found


def brought_back(project: Project, name: str, place: Path, settings: str = "") -> tuple[Project, Held]:
    """(A new dataset of what one format exports, what is in its raw)."""
    if settings:
        path = project.dataset.root / "dsk.toml"
        path.write_text(path.read_text("utf-8").replace(f"\n[export.{name}]\n", f"\n[export.{name}]\n{settings}\n"))
    done = export_elsewhere(open_project(project.dataset.root), name, Target(folder=place / "export"))
    assert done is not None
    other = open_project(start_dataset(place / "again"))
    import_folder(other, place / "export")
    return other, held(other.dataset.root, "raw")


@pytest.mark.parametrize("name", ["imagefolder", "txt-pairs", "diffusers", "kohya"])
def test_folders_bring_back_concepts_images_and_captions(advanced: Project, tmp_path: Path, name: str) -> None:
    other, found = brought_back(advanced, name, tmp_path / "x")
    assert found == held(advanced.dataset.root, "wip")
    assert len(found) == 5
    advance(other)
    assert held(other.dataset.root, "wip").keys() == found.keys()


@pytest.mark.parametrize(("name", "settings"), [("txt-pairs", 'layout = "flat"'), ("webdataset", "shard_images = 2")])
def test_what_knows_no_folders_brings_back_images_and_captions(
    advanced: Project, tmp_path: Path, name: str, settings: str
) -> None:
    _, found = brought_back(advanced, name, tmp_path / "x", settings)
    known = held(advanced.dataset.root, "wip")
    assert {sha: caption for sha, (_, caption) in found.items()} == {sha: text for sha, (_, text) in known.items()}


@pytest.mark.parametrize("name", ["imagefolder", "webdataset"])
def test_records_go_along_where_that_is_asked(advanced: Project, tmp_path: Path, name: str) -> None:
    other, found = brought_back(advanced, name, tmp_path / "x", "records = true")
    assert len(found) == 5
    record = next((other.dataset.root / "raw").rglob("*danbooru_0.json"))
    upstream = json.loads(record.read_text("utf-8"))["upstream"]
    facts = upstream.get("huggingface", upstream)
    assert (facts["rating"], facts["site"], facts["artist"]) == ("sensitive", "danbooru", "me")
