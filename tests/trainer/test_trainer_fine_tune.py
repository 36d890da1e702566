"""Metadata files: JSON and JSONL of captions and tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trainer_sets import picture

from trainer.data.dataset_toml import CaptionRule, Fallback, read
from trainer.data.fine_tune import texts
from trainer.data.items import Dataset, find
from trainer.errors import DatasetError

PLAIN = CaptionRule()
WILD = CaptionRule(enable_wildcard=True)


@pytest.mark.parametrize(
    ("caption", "tags", "rule", "lines"),
    [
        ("a girl", "1girl, solo", PLAIN, ("a girl,1girl, solo",)),
        ("a girl", "", PLAIN, ("a girl",)),
        ("", "1girl", PLAIN, ("1girl",)),
        ("", "", PLAIN, ()),
        ("a", "b", CaptionRule(caption_separator="|"), ("a|b",)),
        ("a\nb", "t", PLAIN, ("a", "b,t")),
        ("a\n\nb", "t, u", WILD, ("a,t, u", "b,t, u")),
        ("a\nb", "", WILD, ("a", "b")),
        ("", "t\nu", WILD, ("t,u",)),
        ("", "", WILD, ()),
    ],
)
def test_what_becomes_of_caption_and_tags(caption: str, tags: str, rule: CaptionRule, lines: tuple[str, ...]) -> None:
    assert texts(caption, tags, rule) == lines


def found(root: Path, content: Any, *, suffix: str = "json", more: str = "image_dir = 'girl'") -> Dataset:
    (root / "girl" / "below").mkdir(parents=True, exist_ok=True)
    for name in ("a.png", "below/b.webp", "c.d.png"):
        picture((64, 64), 1).save(root / "girl" / name)
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (root / f"meta.{suffix}").write_bytes(data)
    toml = f"[[datasets]]\n[[datasets.subsets]]\nmetadata_file = 'meta.{suffix}'\n{more}\n"
    (root / "dataset.toml").write_text(toml)
    return find(read(root / "dataset.toml", Fallback(1, 64)))


def test_paths_absolute_relative_and_without_extension(tmp_path: Path) -> None:
    absolute = str(tmp_path / "girl" / "a.png")
    dataset = found(tmp_path, {absolute: {"caption": "x"}, "below/b": {"tags": "y"}, "c.d": {"caption": "z"}})
    assert {item.path.name: item.caption for item in dataset.items} == {"a.png": "x", "b.webp": "y", "c.d.png": "z"}
    alone = found(tmp_path, {absolute: {"caption": "x"}}, more="")
    assert [item.path.name for item in alone.items] == ["a.png"]


def test_jsonl_may_have_blank_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    lines = (
        '\ufeff{"image_path": "a.png", "caption": "x", "tags": null}\r\n\r\n{"image_path": "c.d.png", "tags": "y"}\n'
    )
    dataset = found(tmp_path, lines.encode(), suffix="jsonl")
    assert [item.caption for item in dataset.items] == ["x", "y"]


def test_pictures_without_a_text(tmp_path: Path) -> None:
    content: dict[str, Any] = {"a.png": {}, "c.d.png": {"caption": "x"}}
    with pytest.raises(DatasetError, match=r"1 pictures have no caption and no tags: a\.png"):
        found(tmp_path, content)
    toml = tmp_path / "dataset.toml"
    toml.write_text("[general]\nclass_tokens = 'sks'\n" + toml.read_text())
    dataset = find(read(toml, Fallback(1, 64)))
    assert dataset.items[0].caption == "sks"
    assert any("class_tokens stand in" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "names no pictures"),
        ([], "must be an object"),
        ({"a.png": 3}, "a.png: must be an object"),
        ({"a.png": {"caption": 3}}, "caption must be a text"),
        ({"gone.png": {"caption": "x"}, "nor\x00this": {}}, "2 pictures are not in"),
        ({"a.png": {"caption": "x"}, "./a.png": {"caption": "y"}}, "twice"),
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_refused_as_json(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        found(tmp_path, content)
    assert "meta.json" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"image_path": "a.png"}\n{', "line 2 is not JSON"),
        (b"3\n", "line 1: must be an object"),
        (b'{"caption": "x"}\n', "line 1 has no image_path"),
        (b"\xff\n", "not UTF-8"),
        (b"", "names no pictures"),
    ],
)
def test_refused_as_jsonl(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        found(tmp_path, content, suffix="jsonl")
    assert "meta.jsonl" in caught.value.message
