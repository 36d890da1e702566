"""Parquet with embedded images: what lies in which file, what readers are told of columns, and the rows themselves."""

from __future__ import annotations

import io
import json
from importlib.util import find_spec
from typing import Any

import pytest
from exports.export_material import image_ref, item, material, subset

from datakit.errors import StateError
from datakit.exports.formats.parquet import EXPORT
from datakit.exports.model import ExportItem, Pack
from datakit.model.item import ImageRef

HAS_PYARROW = find_spec("pyarrow") is not None
needs_pyarrow = pytest.mark.skipif(not HAS_PYARROW, reason="pyarrow is not installed: pip install 'dsk[publish]'")
ONE = "data/train-00000-of-00001.parquet"


def read(ref: ImageRef) -> bytes:
    return f"image {ref.sha256[:8]}".encode()


def written(pack: Pack) -> bytes:
    file = io.BytesIO()
    pack.write(file, read)
    return file.getvalue()


def sized(key: str, size_bytes: int) -> ExportItem:
    return item(key, image=ImageRef(image_ref(key).sha256, size_bytes, "png"))


def table(data: bytes) -> Any:
    from pyarrow import parquet

    return parquet.read_table(io.BytesIO(data))


def test_files_are_numbered_and_counted_as_datasets_does() -> None:
    items = [sized("a/1", 60), sized("a/2", 60), sized("a/3", 500)]
    held_back = subset("b", item("b/x"), is_validation=True)
    made = EXPORT.plan(material(subset("a", *items), held_back, export=EXPORT, own={"shard_bytes": 100}))
    assert list(made.packs) == [
        *(f"data/train-0000{number}-of-00003.parquet" for number in range(3)),
        "data/validation-00000-of-00001.parquet",
    ]
    assert made.items["a/3"] == "data/train-00002-of-00003.parquet"


def test_a_digest_follows_what_is_written() -> None:
    def digest(caption: str, **own: Any) -> str:
        return EXPORT.plan(material(subset("a", item("a/x", caption)), export=EXPORT, own=own)).packs[ONE].digest

    found = {digest("one"), digest("two"), digest("one", records=True), digest("one", row_group=7)}
    assert len(found) == 4
    assert digest("one") in found


@pytest.mark.skipif(HAS_PYARROW, reason="pyarrow is installed, so that nothing is missing")
def test_without_pyarrow_it_says_how_to_get_it() -> None:
    made = EXPORT.plan(material(subset("a", item("a/x")), export=EXPORT))
    with pytest.raises(StateError) as caught:
        written(made.packs[ONE])
    assert "pip install 'dsk[publish]'" in caught.value.hint


@needs_pyarrow
def test_rows_types_and_what_datasets_is_told() -> None:
    made = EXPORT.plan(material(subset("a", item("a/x", "1girl, é"), item("a/y", ""), repeats=2), export=EXPORT))
    found = table(written(made.packs[ONE]))
    first, second = found.to_pylist()
    assert first["image"] == {"bytes": read(image_ref("a/x")), "path": "a/x.png"}
    assert (first["text"], first["repeats"], second["text"]) == ("1girl, é", 2, "")
    features = json.loads(found.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == found.column_names
    assert features["image"] == {"_type": "Image"}
    assert features["loss_weight"] == {"dtype": "float64", "_type": "Value"}


@needs_pyarrow
def test_row_groups_are_small_and_bytes_the_same_each_time() -> None:
    from pyarrow import parquet

    items = [item(f"a/{number:02}") for number in range(25)]
    made = EXPORT.plan(material(subset("a", *items), export=EXPORT, own={"row_group": 10}))
    data = written(made.packs[ONE])
    assert data == written(made.packs[ONE])
    facts = parquet.ParquetFile(io.BytesIO(data)).metadata
    assert [facts.row_group(number).num_rows for number in range(facts.num_row_groups)] == [10, 10, 5]


@needs_pyarrow
def test_a_mask_is_an_image_or_nothing() -> None:
    made = EXPORT.plan(material(subset("a", item("a/x", mask=True), item("a/y")), export=EXPORT))
    first, second = table(written(made.packs[ONE])).to_pylist()
    assert first["mask"]["path"] == "a/x.mask.png"
    assert second["mask"] is None
