"""No tree of files, whatever they are called and whatever is in them, stops the sources or loses a file."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_source_grabber import XMP
from test_source_hakubooru import make_db
from test_source_waifuc import META
from trees import danbooru, outcomes

from datakit.model.record import encode_json
from datakit.sources.folders.walk import Folder, walk
from datakit.sources.model import SOURCES, read_listing

MD5 = "a" * 32
STEMS = [
    "x",
    "7",
    "danbooru_7",
    f"danbooru_7_{MD5}",
    "ab" * 32,
    "x.jpg",
    ".x",
    "posts",
    "metadata",
    "meta",
    "info",
    "d.ata",
]
ENDS = [
    *(".png", ".JPG", ".webp", ".gif", ".mp4", ".txt", ".caption", ".json", ".jsonl", ".csv", ".toml", ".xmp", ".log"),
    *(
        ".png.txt",
        ".png.json",
        ".jpg.txt",
        "_meta.json",
        "_metainfo.json",
        ".tags.txt",
        ".urls.json",
        ".db",
        ".npz",
        "",
        ".",
    ),
]
FOLDERS = ["", "a/", "10_miku/", "data-0007.tar/", "train/", "metadata/", "a/b/", "reg/1_girl/"]
ODD_NAMES = [
    b"\xff.png",
    b"\xff.json",
    "é.png".encode(),
    b"a\nb.txt",
    b"-rf.png",
    b"' ;.jpg",
    b"..png",
    b"a\xff/7.png",
    b"CON.png",
]
ROWS = [
    danbooru(),
    {"posts": [danbooru(), 3, None]},
    [danbooru(id=[1], md5={"a": 1}, rating=5, tags=3)],
    {**META, "tags": [1, {"a": 2}], "url": {"__type": "x"}},
    {"x": {"caption": 3, "tags": ["a"]}, "7.png": {"caption": "b", "tags": None}},
    {"file_name": "../x.png", "text": ["a"]},
    {"file_name": "x.png", "text": "t", "tags": {"a": 1}},
    ["creator:a", "b c"],
    {"category": "danbooru", "subcategory": "tag", "id": 7, "extension": "png"},
]
TEXTS = [
    *map(json.dumps, ROWS),
    "\n".join(map(json.dumps, ROWS)),
    "artist:a long_hair solo",
    "creator:a\nseries:b\nlong hair\n\nsolo",
    "x.png: long_hair solo\n7.png a, b\n",
    "file_name,text\nx.png,a\n../y.png,b\n",
    '[[subsets]]\nimage_dir = "a"\n[[subsets]]\nimage_dir = "../.."\n',
    f'[[subsets]]\nimage_dir = "10_miku"\nnum_repeats = {10**30}\n',
    json.dumps([10**30, {"x.png": {"caption": 10**30, "tags": "a"}}]),
    "[" * 3000,
    '{"a": NaN, "a": 1e999, "b": "\\ud800"}',
    XMP,
    "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    "a\0b",
]
NAMES = st.one_of(
    st.builds(
        lambda *parts: "".join(parts).encode(), st.sampled_from(FOLDERS), st.sampled_from(STEMS), st.sampled_from(ENDS)
    ),
    st.sampled_from(ODD_NAMES),
)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Real metadata, whole or with a piece of it replaced, in some encoding; or any bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=40))
    data = draw(st.sampled_from(TEXTS)).encode(
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"])), "replace"
    )
    if draw(st.booleans()):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(st.binary(max_size=4)) + data[start + draw(st.integers(0, 9)) :]
    return data


def write(root: Path, files: dict[bytes, bytes]) -> Folder:
    for name, data in files.items():
        path = root / os.fsdecode(name)
        if not any(one.is_file() for one in path.parents) and not path.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    paths, odd = walk(root)
    return Folder(root.name, paths, odd=odd)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, contents(), max_size=10), st.booleans())
def test_every_file_has_one_outcome(files: dict[bytes, bytes], has_database: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = write(Path(place), files)
        if has_database:
            folder = Folder(folder.name, {**folder.files, "x.db": make_db(Path(place) / "new" / "x.db")})
        found = outcomes(folder)
        assert {path: places for path, places in found.items() if len(places) > 1 and path in folder.files} == {}
        listed = read_listing(folder)
        rows = [row.image for row in listed.found]
        asides = [row.path for row in listed.aside]
        used = {path for path, places in found.items() if places and places[0].endswith("used")}
        captions = {row.caption for row in listed.found if row.caption}
        assert all(encode_json(row.scraped) for row in (*listed.found, *listed.loose))
        named = [*rows, *captions, *listed.orphans, *used, *(path for path in asides if path in folder.files)]
        assert sorted(named) == sorted(folder.files)


@pytest.mark.parametrize("source", SOURCES.names())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=st.dictionaries(NAMES, contents(), max_size=8))
def test_told_what_it_is_nothing_stops_a_source(source: str, files: dict[bytes, bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = write(Path(place), files)
        found = read_listing(folder, source)
        assert len({row.image for row in found.found}) == len(found.found)
        assert {row.image for row in found.found} == set(folder.images), "an image is lost"
