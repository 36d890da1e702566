"""Small folders of files that look like scrapes, and what the sources make of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from datakit.sources.folders.walk import Folder, walk
from datakit.sources.model import SOURCES, Found, Listing, read_listing

DANBOORU = {
    "id": 7,
    "md5": "a" * 32,
    "rating": "s",
    "score": 3,
    "tag_string": "hatsune_miku solo artist_a",
    "tag_string_general": "solo",
    "tag_string_character": "hatsune_miku",
    "tag_string_artist": "artist_a",
    "tag_string_copyright": "",
    "tag_string_meta": "",
    "file_url": f"https://cdn.donmai.us/original/aa/aa/{'a' * 32}.png",
}


def danbooru(**changes: object) -> dict[str, object]:
    """A post as danbooru's API sends it."""
    return {**DANBOORU, **changes}


def fill(root: Path, files: Mapping[str, object]) -> Folder:
    """A folder with these files: bytes and texts as they are, other values as JSON."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8", newline="")
    paths, odd = walk(root)
    return Folder(root.name, paths, odd=odd)


def listing(root: Path, files: Mapping[str, object], source: str = "") -> Listing:
    """What is found in a folder with these files."""
    return read_listing(fill(root, files), source)


def by_image(found: Listing) -> dict[str, Found]:
    """Image → its row."""
    rows = {row.image: row for row in found.found}
    assert len(rows) == len(found.found), "an image comes twice"
    return rows


def tags_of(row: Found) -> dict[str, tuple[str, ...]]:
    """Tags by category of an image; {} without facts."""
    return row.scraped.tags if row.scraped else {}


def reasons(found: Listing) -> dict[str, str]:
    """Path left aside → reason."""
    return {one.path: one.reason for one in found.aside}


def outcomes(folder: Folder) -> dict[str, list[str]]:
    """File → the places of the sources' claims that name it, as `read_listing` asks them, one after another."""
    found: dict[str, list[str]] = {path: [] for path in folder.files}
    rest = folder
    for one in sorted(SOURCES.all(), key=lambda each: (each.rank, each.name)):
        claims = one.claim(rest, False)
        places = {
            "image": [row.image for row in claims.found],
            "caption": sorted({row.caption for row in claims.found if row.caption}),
            "used": sorted(claims.used),
            "orphan": claims.orphans,
            "aside": [row.path for row in claims.aside],
        }
        taken = [(path, f"{one.name} {place}") for place, paths in places.items() for path in paths]
        for path, place in taken:
            found.setdefault(path, []).append(place)
        sidecars = {row.sidecar for row in claims.found if row.sidecar} | {row.path for row in claims.loose}
        read = {path if path in folder.files else path.rpartition(":")[0] for path in sidecars}  # `x.jsonl:3`
        assert read <= claims.used, f"{one.name} read files that it does not name"
        rest = rest.without({path for path, _ in taken})
    return found
