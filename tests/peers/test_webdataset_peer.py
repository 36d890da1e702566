"""webdataset, from its package, reads the shards back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from exports.export_material import item, material, subset
from peers.hub_packages import HERE, run, wip
from peers.lent_environment import environment

from datakit.actions.exporting.elsewhere import Target, export_elsewhere
from datakit.actions.project import Project, open_project
from datakit.exports.formats.webdataset import EXPORT

pytestmark = pytest.mark.peers


@pytest.fixture
def python() -> Path:
    """A Python with webdataset."""
    return environment("webdataset", "pillow")


def test_every_sample_is_read(python: Path, advanced: Project, tmp_path: Path) -> None:
    path = advanced.dataset.root / "dsk.toml"
    text = path.read_text("utf-8").replace("\n[export.webdataset]\n", "\n[export.webdataset]\nshard_images = 2\n")
    path.write_text(text, "utf-8")
    export_elsewhere(open_project(advanced.dataset.root), "webdataset", Target(folder=tmp_path / "out"))
    shards = sorted((tmp_path / "out").glob("*.tar"))
    assert len(shards) == 3
    read = json.loads(run(python, HERE / "read_webdataset.py", *shards).splitlines()[-1])
    print(f"\nwebdataset {read['version']}", file=sys.stderr)
    found = {one["json"]["sha256"]: (one["json"]["concept"], one["txt"], one["png"]) for one in read["samples"]}
    assert found == wip(advanced)
    assert len(read["samples"]) == 5
    assert all(one["__key__"] == one["json"]["key"] for one in read["samples"])


def test_names_with_dots_stay_one_sample_each(python: Path, tmp_path: Path) -> None:
    names = ["v1.2", "v1_2", "a.png", "..x", "é.tar.gz"]
    items = [item(f"a/{number}", name=name) for number, name in enumerate(names)]
    made = EXPORT.plan(material(subset("a.b", *items), export=EXPORT))
    shard = tmp_path / "train-000000.tar"
    with shard.open("wb") as file:
        made.packs[shard.name].write(file, lambda ref: picture())
    read = json.loads(run(python, HERE / "read_webdataset.py", shard).splitlines()[-1])
    assert [set(one) - {"__key__", "__url__", "__local_path__"} for one in read["samples"]] == [
        {"png", "txt", "json"}
    ] * len(names)


def picture() -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    return stream.getvalue()
