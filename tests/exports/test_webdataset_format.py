"""Shards of webdataset: keys, limits, and the same bytes each time."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest
from exports.export_material import image_ref, item, material, subset
from hypothesis import given
from hypothesis import strategies as st

from datakit.exports.formats.webdataset import EXPORT
from datakit.exports.model import ExportItem, Pack
from datakit.exports.rows import Member, sharded
from datakit.model.item import ImageRef


def read(ref: ImageRef) -> bytes:
    return f"image {ref.sha256[:8]}".encode()


def written(pack: Pack) -> bytes:
    file = io.BytesIO()
    pack.write(file, read)
    return file.getvalue()


def files(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {(one.mtime, one.uid, one.uname, one.mode) for one in tar} == {(0, 0, "", 0o644)}
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def sized(key: str, size_bytes: int) -> ExportItem:
    return item(key, image=ImageRef(image_ref(key).sha256, size_bytes, "png"))


def test_an_image_its_caption_and_its_facts() -> None:
    made = EXPORT.plan(material(subset("aria", item("aria/x", "1girl, é"), repeats=4), export=EXPORT))
    assert list(made.packs) == ["train-000000.tar"]
    assert made.items == {"aria/x": "train-000000.tar"}
    found = files(written(made.packs["train-000000.tar"]))
    assert list(found) == ["aria_x.png", "aria_x.txt", "aria_x.json"]
    assert found["aria_x.txt"] == "1girl, é".encode()
    facts = json.loads(found["aria_x.json"])
    assert (facts["key"], facts["concept"], facts["repeats"], facts["text"]) == ("aria_x", "aria", 4, "1girl, é")


def test_keys_have_no_dot_no_slash_and_no_double() -> None:
    items = [item("a.b/v1.2", name="v1.2"), item("a.b/v1_2", name="v1_2"), item("a.b/V1_2", name="V1_2")]
    made = EXPORT.plan(material(subset("a.b", *items), export=EXPORT))
    keys = [name.partition(".")[0] for name in files(written(made.packs["train-000000.tar"])) if name.endswith(".png")]
    assert len({key.casefold() for key in keys}) == 3
    assert not [key for key in keys if "/" in key or "." in key]


def test_the_same_bytes_each_time_and_a_digest_that_follows_them() -> None:
    def plan(caption: str, **own: Any) -> Pack:
        return EXPORT.plan(material(subset("a", item("a/x", caption)), export=EXPORT, own=own)).packs[
            "train-000000.tar"
        ]

    assert written(plan("one")) == written(plan("one"))
    assert plan("one").digest == plan("one").digest
    assert len({plan("one").digest, plan("two").digest, plan("one", records=True).digest}) == 3


def test_shards_are_full_and_a_large_image_has_one_to_itself() -> None:
    items = [sized("a/1", 40), sized("a/2", 60), sized("a/3", 500), sized("a/4", 10)]
    own = {"shard_bytes": 100, "mixed": False}
    made = EXPORT.plan(material(subset("a", *items), export=EXPORT, own=own))
    assert made.items == {
        "a/1": "train-000000.tar",
        "a/2": "train-000000.tar",
        "a/3": "train-000001.tar",
        "a/4": "train-000002.tar",
    }
    made = EXPORT.plan(material(subset("a", *items), export=EXPORT, own={"shard_images": 3}))
    assert len(made.packs) == 2


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 60), st.integers(0, 4))
def test_shards_keep_every_image_in_order_and_the_limits(sizes: list[int], most: int, images: int) -> None:
    only = subset("a", item("a/x"))
    found = [Member(only, sized(f"a/{number}", size)) for number, size in enumerate(sizes)]
    shards = sharded(found, most_bytes=most, most_images=images)
    assert [member for shard in shards for member in shard] == found
    for shard in shards:
        assert len(shard) == 1 or sum(member.item.image.size_bytes for member in shard) <= most
        assert not images or len(shard) <= images


def test_concepts_are_mixed_in_an_order_that_stays() -> None:
    subsets = [subset(name, *(item(f"{name}/{n}") for n in range(20))) for name in ("a", "b")]
    names = list(files(written(EXPORT.plan(material(*subsets, export=EXPORT)).packs["train-000000.tar"])))
    firsts = [name[0] for name in names if name.endswith(".png")][:20]
    assert {"a", "b"} == set(firsts)
    plain = EXPORT.plan(material(*subsets, export=EXPORT, own={"mixed": False})).packs["train-000000.tar"]
    assert [name[0] for name in files(written(plain)) if name.endswith(".png")][:20] == ["a"] * 20


def test_what_is_held_back_has_shards_of_its_own_and_nothing_has_none() -> None:
    made = EXPORT.plan(material(subset("a", item("a/x", mask=True), is_validation=True), export=EXPORT))
    assert list(made.packs) == ["validation-000000.tar"]
    assert "a_x.mask.png" in files(written(made.packs["validation-000000.tar"]))
    assert EXPORT.plan(material(export=EXPORT)).packs == {}


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([item("a/x"), item("a/y", extension="jpg")], "images of several kinds (jpg, png)"),
        ([item("a/x", mask=True), item("a/y")], "some images have a mask"),
    ],
)
def test_what_hugging_face_would_not_read_is_said(items: list[ExportItem], words: str) -> None:
    (warning,) = EXPORT.plan(material(subset("a", *items), export=EXPORT)).warnings
    assert words in warning
