"""What is found in a scraped folder: every file has one outcome, and the format is recognised by what is there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from datakit.errors import InputError
from datakit.sources.gallery_dl import read_post
from datakit.sources.model import SOURCES, Folder, Listing

POST = json.dumps({"category": "danbooru", "id": 1, "tag_string_general": "1girl"})


def fill(root: Path, files: dict[str, str]) -> Folder:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    return Folder(root)


def surest(folder: Folder) -> str:
    return max(SOURCES.all(), key=lambda one: one.detect(folder)).name


def scan(folder: Folder, name: str = "folder") -> Listing:
    return SOURCES.load(name).scan(folder)


def reasons(listing: Listing) -> dict[str, str]:
    return {aside.path: aside.reason for aside in listing.aside}


def test_metadata_is_seen_behind_many_images_without_any(tmp_path: Path) -> None:
    hand_picked = {f"a/{number}.png": "" for number in range(50)}
    assert surest(fill(tmp_path, hand_picked)) == "folder"
    assert surest(fill(tmp_path, {"z/x.png": "", "z/x.png.json": POST})) == "gallery_dl"


def test_one_broken_sidecar_does_not_hide_the_format(tmp_path: Path) -> None:
    folder = fill(tmp_path, {"a.png": "", "a.png.json": "{", "b.png": "", "b.json": "\ufeff" + POST})
    assert surest(folder) == "gallery_dl"
    found = {row.image: row for row in scan(folder, "gallery_dl").found}
    assert "not a JSON object" in found["a.png"].problem
    scraped = found["b.png"].scraped
    assert scraped is not None
    assert scraped.tags == {"general": ("1girl",)}


def test_an_info_json_is_no_images_metadata(tmp_path: Path) -> None:
    folder = fill(tmp_path, {"a.png": "", "info.json": POST, "b.png": "", "b.png.json": "[]"})
    assert surest(folder) == "folder"
    found = reasons(scan(folder))
    assert found["info.json"] == "metadata of no single image"
    assert found["b.png.json"] == "metadata in a form that is not read"


@pytest.mark.parametrize(
    ("image", "caption", "files"),
    [
        ("a.png", "a.txt", ["a.txt", "a.caption", "a.png.txt"]),
        ("a.png", "a.caption", ["a.caption", "a.png.txt"]),
        ("a.png", "a.png.txt", ["a.png.txt", "b.txt"]),
        ("a.PNG", "a.TXT", ["a.TXT"]),
        ("a.png", "a.txt", ["a.TXT", "a.txt"]),
        ("a.png", "", ["A.txt", "a.text"]),
    ],
)
def test_a_caption_belongs_to_the_image_of_its_name(tmp_path: Path, image: str, caption: str, files: list[str]) -> None:
    assert fill(tmp_path, dict.fromkeys([image, *files], "")).caption_of(image) == caption


def test_each_file_has_one_outcome(tmp_path: Path) -> None:
    names = ["a/x.png", "a/x.txt", "a/lost.txt", "a/v.mp4", "a/u.zip", "a/t.npz", "a/p.psd", "a/r.html", "a/.h.png"]
    folder = fill(tmp_path, dict.fromkeys(names, ""))
    fill(tmp_path, {"a/.DS_Store": "", ".git/x.png": "", "set/dsk.toml": "", "set/raw/a/y.png": ""})
    (tmp_path / "a/link.png").symlink_to("x.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "a/pipe.png")
    listing = scan(folder)
    assert [row.image for row in listing.found] == ["a/x.png"]
    assert listing.orphans == ["a/lost.txt"]
    assert reasons(listing) == {
        "a/v.mp4": "video",
        "a/u.zip": "archive (an ugoira's frames, perhaps)",
        "a/t.npz": "a trainer's cache",
        "a/p.psd": "a Photoshop document",
        "a/r.html": "not an image",
        "a/.h.png": "hidden",
        "a/link.png": "symbolic link (not followed)",
        "a/pipe.png": "not a regular file",
        "loop": "symbolic link (not followed)",
        "set": "another dataset; its raw folder can be imported",
    }


def test_a_post_in_danbooru_words() -> None:
    post = read_post(
        {"category": "danbooru", "id": 7, "score": "12", "rating": "q", "md5": "AB", "parent_id": None,
         "has_children": True, "source": "http://a", "file_url": "http://b", "tags_general": ["Long Hair", "^_^"]}
    )  # fmt: skip
    assert (post.site, post.post_id, post.score, post.rating, post.md5) == ("danbooru", "7", 12, "questionable", "ab")
    assert (post.parent_id, post.has_children, post.urls) == ("", True, ("http://a", "http://b"))
    assert post.tags == {"general": ("long_hair", "^_^")}


@pytest.mark.parametrize(
    "field", [{"id": [1]}, {"score": "high"}, {"score": 1e999}, {"tag_string_artist": 3}, {"tags_artist": ["a", 1]}]
)
def test_a_field_of_another_type_is_named(field: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(field))):
        read_post({"category": "danbooru", **field})
