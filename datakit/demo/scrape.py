"""A folder as gallery-dl leaves it behind, with metadata files, and with the faults that real scrapes have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from datakit.demo.post import Post, sidecar
from datakit.demo.world import Picture, shoot, shots

COUNTS: Final = {"aria": 16, "hana": 5, "mika": 5, "sora": 5}
"""Pictures drawn per character; with one copy they make 32 files. Aria is the one that a bake is to learn."""

SEED: Final = 28
"""Deals every background, and transparent ones to three characters."""
FIRST_ID: Final = 90_000_001
TRUNCATED_SHARE: Final = 0.6
ORPHAN: Final = "danbooru/aria/imag123.txt"
ORPHANS_IMAGE: Final = "danbooru/aria/image123.png"
CLASH: Final = ("danbooru/aria/001.png", "safebooru/aria/001.png")
COPY: Final = "danbooru/mika/mika_favourite.png"


@dataclass(frozen=True)
class Planted:
    """The faults, as paths inside the scrape."""

    orphaned_caption: str
    orphans_image: str
    """The image that the orphaned caption belongs to; it has no metadata file."""
    same_name: tuple[str, str]
    """Two different pictures that become one item name."""
    duplicate: tuple[str, str]
    """A picture, and its exact copy under another name."""
    truncated: str
    transparent: tuple[str, ...]
    """Every readable picture that has a transparent background."""


@dataclass(frozen=True)
class Scrape:
    """What was written."""

    images: tuple[str, ...]
    planted: Planted


@dataclass(frozen=True)
class _Upload:
    """A picture on its way to the disk."""

    path: str
    picture: Picture
    post: Post


def write_scrape(out: Path, *, seed: int = SEED) -> Scrape:
    """Draw the pictures and write the folder.

    Raises:
        StateError: the drawing packages are not installed.
    """
    uploads = list(_uploads(seed))
    for one in uploads:
        _write(out / one.path, one.picture.png)
        if one.path != ORPHANS_IMAGE:
            _write(out / f"{one.path}.json", sidecar(one.post, one.picture, path=one.path))
    original = _last(uploads, "mika")
    truncated = _last(uploads, "sora")
    orphan = next(one for one in uploads if one.path == ORPHANS_IMAGE)
    _write(out / ORPHAN, _caption(orphan.picture).encode())
    _write(out / COPY, original.picture.png)
    whole = truncated.picture.png
    _write(out / truncated.path, whole[: int(len(whole) * TRUNCATED_SHARE)])
    see_through = [one.path for one in uploads if one.picture.is_transparent and one is not truncated]
    if original.picture.is_transparent:
        see_through.append(COPY)
    return Scrape(
        images=tuple(sorted([*(one.path for one in uploads), COPY])),
        planted=Planted(
            orphaned_caption=ORPHAN,
            orphans_image=ORPHANS_IMAGE,
            same_name=CLASH,
            duplicate=(original.path, COPY),
            truncated=truncated.path,
            transparent=tuple(sorted(see_through)),
        ),
    )


def _uploads(seed: int) -> Iterator[_Upload]:
    number = FIRST_ID
    for name, count in COUNTS.items():
        first = number
        for i, shot in enumerate(shots(name, count, seed=seed)):
            picture = shoot(shot)
            post = Post(
                id=number,
                md5=hashlib.md5(picture.png, usedforsecurity=False).hexdigest(),
                parent_id=first if i == 1 else None,
                has_children=i == 0,
            )
            yield _Upload(_path(name, post, index=i), picture, post)
            number += 1


def _path(name: str, post: Post, *, index: int) -> str:
    """Aria's last three pictures get the names that make trouble."""
    troubled = (*CLASH, ORPHANS_IMAGE)
    from_end = COUNTS[name] - index
    if name == "aria" and from_end <= len(troubled):
        return troubled[-from_end]
    return f"danbooru/{name}/danbooru_{post.id}_{post.md5}.png"


def _last(uploads: list[_Upload], name: str) -> _Upload:
    return [one for one in uploads if one.picture.name == name][-1]


def _caption(picture: Picture) -> str:
    return ", ".join((picture.character_tag, *picture.general)) + "\n"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
