"""What is found in a scraped folder: every file has one outcome, and the format is recognised by what is there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from packing import make_zip

from datakit.sources.folders.walk import Folder, open_folder
from datakit.sources.model import Listing, read_listing

POST = json.dumps(
    {"category": "danbooru", "subcategory": "tag", "id": 1, "rating": "g", "tag_string": "1girl",
     "tag_string_general": "1girl"}
)  # fmt: skip


def fill(root: Path, files: dict[str, str], *, takes_frames: bool = False) -> Folder:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    return open_folder(root, scratch=root.parent / "scratch", takes_frames=takes_frames)


def reasons(listing: Listing) -> dict[str, str]:
    return {aside.path: aside.reason for aside in listing.aside}


def test_metadata_is_seen_behind_many_images_without_any(tmp_path: Path) -> None:
    hand_picked = {f"a/{number}.png": "" for number in range(50)}
    assert read_listing(fill(tmp_path / "s", hand_picked)).recognised == {"folder": 50}
    listing = read_listing(fill(tmp_path / "s", {"z/x.png": "", "z/x.png.json": POST}))
    assert listing.recognised == {"folder": 50, "gallery_dl": 1}


def test_metadata_that_nothing_reads_is_told_with_its_reason(tmp_path: Path) -> None:
    files = {"a.png": "", "a.json": '{"id": 3,', "b.png": "", "b.json": '{"caption": "a dog"}', "c.json": "{}"}
    told = reasons(read_listing(fill(tmp_path / "s", files)))
    assert told["a.json"].startswith("not JSON (")
    assert told["b.json"] == "metadata in a form that is not read"
    assert told["c.json"] == "metadata of no single image"


def test_one_broken_sidecar_does_not_hide_the_format(tmp_path: Path) -> None:
    files = {"a.png": "", "a.png.json": "{", "b.png": "", "b.json": "\ufeff" + POST}
    found = {row.image: row for row in read_listing(fill(tmp_path / "s", files)).found}
    assert list(found) == ["a.png", "b.png"]
    assert "not JSON" in " ".join(found["a.png"].problems)
    scraped = found["b.png"].scraped
    assert scraped is not None
    assert scraped.tags == {"general": ("1girl",)}


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
    root = tmp_path / "s"
    names = ["a/x.png", "a/x.txt", "a/lost.txt", "a/v.mp4", "a/u.zip", "a/t.npz", "a/p.psd", "a/r.html", "a/.h.png"]
    fill(root, dict.fromkeys(names, ""))
    fill(root, {"a/.DS_Store": "", ".git/x.png": "", "set/dsk.toml": "", "set/raw/a/y.png": ""})
    make_zip(root / "a/i.zip", {"000000.jpg": b"0", "000001.jpg": b"1"})
    (root / "a/link.png").symlink_to("x.png")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "a/pipe.png")
    listing = read_listing(fill(root, {"a/v.mp4.json": "{}", "a/i.txt": ""}))
    assert [row.image for row in listing.found] == ["a/x.png"]
    assert listing.orphans == ["a/lost.txt"]
    assert reasons(listing) == {
        "a/v.mp4": "video (a moving picture; --frames takes images out of it)",
        "a/v.mp4.json": "belongs to a moving picture",
        "a/i.zip": "ugoira (a moving picture; --frames takes images out of it)",
        "a/i.txt": "belongs to a moving picture",
        "a/u.zip": "is empty; download it again",
        "a/t.npz": "a trainer's cache",
        "a/p.psd": "a Photoshop document",
        "a/r.html": "not an image",
        "a/.h.png": "hidden",
        "a/link.png": "symbolic link (not followed)",
        "a/pipe.png": "not a regular file",
        "loop": "symbolic link (not followed)",
        "set": "another dataset; its raw folder can be imported",
    }


def test_an_archive_is_read_as_the_folder_that_it_was(tmp_path: Path) -> None:
    files = {"a/x.png": "", "a/x.png.json": POST, "a/y.png": "", "a/y.txt": "solo", "a/v.mp4": "", "a/v.mp4.json": POST}
    on_disk = read_listing(fill(tmp_path / "s", files))
    make_zip(tmp_path / "s.zip", {name: text.encode() for name, text in files.items()} | {"b/z.png": b""})
    packed = read_listing(open_folder(tmp_path / "s.zip", scratch=tmp_path / "scratch"))
    assert [row.image for row in packed.found] == ["a/x.png", "a/y.png", "b/z.png"]
    assert packed.found[:2] == on_disk.found
    assert reasons(packed) == reasons(on_disk)


def test_moving_pictures_count_as_images_where_their_frames_are_taken(tmp_path: Path) -> None:
    folder = fill(tmp_path / "s", {"v.mp4": "", "v.txt": "solo", "g.gif": ""}, takes_frames=True)
    found = {row.image: row.caption for row in read_listing(folder).found}
    assert found == {"v.mp4": "v.txt", "g.gif": ""}
