"""What differs between two trees: item by item, tag by tag, and the same from both sides."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.actions.starting import start_dataset
from datakit.model.comparison import (
    CaptionChange,
    FieldChange,
    FileChange,
    ImageChange,
    ItemChange,
    RecordChange,
    StageChange,
)
from datakit.repo.dataset import Dataset, open_dataset
from datakit.repo.past.comparing import Differences, compare, compare_captions
from datakit.store.lfs import pointer
from datakit.store.objects import edit_tree


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        start_dataset(Path(folder) / "set")
        yield open_dataset(Path(folder) / "set")


def content(path: str, value: str) -> bytes:
    return pointer(f"{int(value):064x}", int(value) + 1) if path.endswith((".png", ".jpg")) else value.encode()


def tree(dataset: Dataset, files: Mapping[str, str]) -> bytes | None:
    objects = dataset.objects
    return edit_tree(objects, None, [(path, objects.blob(content(path, value))) for path, value in files.items()])


def differ(dataset: Dataset, before: Mapping[str, str], after: Mapping[str, str]) -> Differences:
    return compare(dataset, tree(dataset, before), tree(dataset, after))


def test_each_kind_of_change_has_its_name(dataset: Dataset) -> None:
    found = differ(
        dataset,
        {
            "wip/a/gone.png": "1",
            "wip/a/old.png": "2",
            "wip/a/old.txt": "x y, z",
            "wip/a/same.png": "3",
            "wip/a/e.png": "8",
        },
        {
            "wip/a/new.png": "4",
            "wip/b/old.png": "2",
            "wip/b/old.txt": "x_y, w",
            "wip/a/same.png": "5",
            "wip/a/e.jpg": "8",
        },
    )
    (stage,) = found.stages
    assert stage.stage == "wip"
    assert {item.key: (item.was, [image.mark for image in item.images]) for item in stage.items} == {
        "a/e": ("", ["renamed"]),
        "a/gone": ("", ["removed"]),
        "a/new": ("", ["added"]),
        "a/same": ("", ["changed"]),
        "b/old": ("a/old", ["renamed"]),
    }
    caption = stage.items[-1].caption
    assert caption is not None
    assert (caption.mark, caption.tags_added, caption.tags_removed) == ("changed", ("w",), ("z",))
    assert (stage.tags_added, stage.tags_removed) == ({"w": 1}, {"z": 1})
    assert stage.num_images("renamed") == 2


@pytest.mark.parametrize(
    ("before", "after", "mark"),
    [
        (None, "a", "added"),
        ("a", None, "removed"),
        ("a, b", "b, c", "changed"),
        ("a, b", "b, a", "reordered"),
        ("a_b", "a b", "respelled"),
        ("a, b", "a, b\n", "respelled"),
    ],
)
def test_captions_are_compared_as_tags(before: str | None, after: str | None, mark: str) -> None:
    found = compare_captions(before, after)
    assert found.mark == mark
    if mark in ("reordered", "respelled"):
        assert not found.tags_added
        assert not found.tags_removed


def test_totals_count_items(dataset: Dataset) -> None:
    found = differ(
        dataset,
        {"wip/a/1.txt": "x", "wip/a/2.txt": "x", "wip/a/3.txt": "x"},
        {"wip/a/1.txt": "x, y, y", "wip/a/2.txt": "y", "wip/a/3.txt": "x, z"},
    )
    assert found.stages[0].tags_added == {"y": 2, "z": 1}
    assert list(found.stages[0].tags_added) == ["y", "z"]
    assert found.stages[0].tags_removed == {"x": 1}


def test_tags_are_told_as_the_captions_write_them(dataset: Dataset) -> None:
    found = differ(dataset, {}, {f"wip/a/{i}.txt": tag for i, tag in enumerate(("x (y)", "x_(y)", "x (y)"))})
    assert found.stages[0].tags_added == {"x (y)": 3}
    assert compare_captions("a_b, c", "c, d e").tags_removed == ("a_b",)


def test_records_and_settings_are_compared_field_by_field(dataset: Dataset) -> None:
    found = differ(
        dataset,
        {"raw/a/1.json": '{"score": 3, "tags": {"general": ["a"]}, "x": 1}', "dsk.toml": "[cleaned]\ntrigger = 'me'\n"},
        {"raw/a/1.json": '{"score": 5, "tags": {"general": ["a", "b"]}, "x": true}', "dsk.toml": "[wip]\n[cleaned]\n"},
    )
    record = found.stages[0].items[0].record
    assert record is not None
    assert record.fields == (
        FieldChange(field="score", before=3, after=5),
        FieldChange(field="tags.general", before=["a"], after=["a", "b"]),
        FieldChange(field="x", before=1, after=True),
    )
    assert FieldChange(field="cleaned.trigger", before="me", after=None) in found.settings


def test_what_cannot_be_read_is_told_as_text(dataset: Dataset) -> None:
    found = differ(dataset, {"raw/a/1.json": "{", "dsk.toml": "a = 1"}, {"raw/a/1.json": "{}", "dsk.toml": "a ="})
    record = found.stages[0].items[0].record
    assert record is not None
    assert record.fields == (FieldChange(field="", before="{", after={}),)
    assert found.settings == (FieldChange(field="", before={"a": 1}, after="a ="),)


def test_other_files_are_listed_and_locks_are_not(dataset: Dataset) -> None:
    found = differ(
        dataset, {"wip/stage.json": "{}"}, {"wip/stage.json": "{ }", "vocab/x.csv": "1", "export/k/a.txt": "1"}
    )
    assert [(one.path, one.mark) for one in found.files] == [("export/k/a.txt", "added"), ("vocab/x.csv", "added")]
    assert found.stages == ()


def test_only_wanted_items_are_compared(dataset: Dataset) -> None:
    sides = [
        tree(dataset, files)
        for files in ({"wip/a/1.png": "1", "dsk.toml": ""}, {"wip/b/1.png": "1", "wip/b/2.png": "2"})
    ]
    for name in ("a/1", "b/1"):
        found = compare(dataset, *sides, wanted=lambda stage, key, name=name: key == name)  # type: ignore[misc]
        assert [item.key for item in found.stages[0].items] == ["b/1"]
        assert not found.settings


_PATHS = st.sampled_from(
    [f"wip/{folder}/{stem}.{ext}" for folder in "ab" for stem in "xyz" for ext in ("png", "jpg", "txt")]
    + ["raw/a/x.json", "raw/a/x.png", "raw/b/x.png", "raw/b/x.json", "vocab/t.csv", "wip/readme.md"]
)
_FILES = st.dictionaries(_PATHS, st.integers(1, 4).map(str), max_size=14)


@given(_FILES, _FILES)
@settings(max_examples=150, deadline=None)
def test_a_diff_mirrored_is_the_diff_the_other_way_round(
    dataset: Dataset, before: dict[str, str], after: dict[str, str]
) -> None:
    there, back = differ(dataset, before, after), differ(dataset, after, before)
    assert msgspec.to_builtins(mirrored(there)) == msgspec.to_builtins(back)


@given(_FILES, _FILES)
@settings(max_examples=80, deadline=None)
def test_every_path_that_differs_is_told_once(dataset: Dataset, before: dict[str, str], after: dict[str, str]) -> None:
    found = differ(dataset, before, after)
    images = [image for stage in found.stages for item in stage.items for image in item.images]
    told_before = sorted(image.before.path for image in images if image.before)
    told_after = sorted(image.after.path for image in images if image.after)
    differing = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    pictures = {path for path in differing if path.endswith((".png", ".jpg"))}
    assert told_before == sorted(path.partition("/")[2] for path in pictures & before.keys())
    assert told_after == sorted(path.partition("/")[2] for path in pictures & after.keys())
    assert differ(dataset, before, before) == Differences((), (), ())


def mirrored(found: Differences) -> Differences:
    return Differences(
        tuple(map(mirrored_stage, found.stages)),
        tuple(map(mirrored_field, found.settings)),
        tuple(FileChange(path=one.path, mark=SWAP.get(one.mark, one.mark)) for one in found.files),
    )


SWAP = {"added": "removed", "removed": "added"}


def mirrored_stage(stage: StageChange) -> StageChange:
    items = sorted(map(mirrored_item, stage.items), key=lambda item: item.key)
    return StageChange(
        stage=stage.stage, items=tuple(items), tags_added=stage.tags_removed, tags_removed=stage.tags_added
    )


def mirrored_item(item: ItemChange) -> ItemChange:
    images = [ImageChange(mark=SWAP.get(one.mark, one.mark), before=one.after, after=one.before) for one in item.images]
    caption, record = item.caption, item.record
    return ItemChange(
        key=item.was or item.key,
        was=item.key if item.was else "",
        images=tuple(images),
        caption=caption
        and CaptionChange(
            mark=SWAP.get(caption.mark, caption.mark),
            before=caption.after,
            after=caption.before,
            tags_added=caption.tags_removed,
            tags_removed=caption.tags_added,
        ),
        record=record
        and RecordChange(mark=SWAP.get(record.mark, record.mark), fields=tuple(map(mirrored_field, record.fields))),
        why=item.why,
    )


def mirrored_field(change: FieldChange) -> FieldChange:
    return FieldChange(field=change.field, before=change.after, after=change.before)
