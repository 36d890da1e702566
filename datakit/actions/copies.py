"""Private copies of images for painting programs: `.dsk/retouch/<id>/<name>`, and `<id>.json`, the note beside it.

The note is there from when the copy is whole until it was taken back, so what it names may be somebody's work.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from datakit.model.item import is_image, split_path
from datakit.repo.dataset import Dataset
from datakit.repo.items import renamed_to

_FOLDER: Final = "retouch"
_MODE: Final = 0o644


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy was made from."""

    stage: str
    key: str
    path: str
    """Inside the stage."""
    blob: str
    """Of the pointer, 40 hex digits."""
    sha256: str
    program: str
    """Name of the program that it was made for."""
    begun_ns: int
    """Unix time."""


class Place(NamedTuple):
    """Where the copy of an item's image in one stage is, or would be."""

    folder: Path
    note: Path
    lock: Path


class Made(NamedTuple):
    """What a program left in the folder."""

    image: Path | None
    """The newest picture that is not as it was; None where there is none."""
    others: tuple[Path, ...]
    """The program's own files."""


def place_of(dataset: Dataset, stage: str, key: str) -> Place:
    """Where an item's copy is, also one that was made before the item was renamed."""
    own = _place(dataset, stage, key)
    if not own.note.exists():
        for path in sorted((dataset.private / _FOLDER).glob("*.json")):
            note = _decoded(path)
            if note is not None and note.stage == stage and renamed_to(dataset, note.key) == key:
                return _place(dataset, stage, note.key)
    return own


def _place(dataset: Dataset, stage: str, key: str) -> Place:
    name = hashlib.sha256(os.fsencode(f"{stage}/{key}")).hexdigest()[:12]
    folder = dataset.private / _FOLDER / name
    return Place(folder, folder.with_suffix(".json"), folder.with_suffix(".lock"))


def read_note(place: Place) -> Note | None:
    """The note of a copy that was not taken back; None where there is no such copy."""
    note = _decoded(place.note)
    return note if note is not None and place.folder.is_dir() else None


def _decoded(path: Path) -> Note | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Note)
    except (OSError, msgspec.DecodeError):
        return None


def make_copy(place: Place, note: Note, source: Path) -> Path:
    """Copy an image and note it down; nothing but the program's own files stands there before."""
    place.folder.mkdir(parents=True, exist_ok=True)
    file = file_of(place, note)
    place.note.unlink(missing_ok=True)  # an older note would take half a copy for somebody's work
    shutil.copyfile(source, file)
    file.chmod(_MODE)
    write_note(place, note)
    return file


def write_note(place: Place, note: Note) -> None:
    """Replace the note; killed in between, the old one stays."""
    written = place.note.with_suffix(".new")
    written.write_bytes(msgspec.json.encode(note))
    written.replace(place.note)


def file_of(place: Place, note: Note) -> Path:
    """The copy itself."""
    return place.folder / Path(note.path).name


def find_made(place: Place, note: Note) -> Made:
    """What there is to take back: the copy where it changed, or a picture of its name that was saved beside it."""
    own = file_of(place, note)
    stem = split_path(own.name)[0].casefold()
    images, others = [], []
    for path in sorted(_files(place.folder)):
        if not is_image(path.name) or split_path(path.name)[0].casefold() != stem:
            others.append(path)
        elif _is_news(path, own, note):
            images.append(path)
    newest = max(images, key=lambda path: (path.stat().st_mtime_ns, path == own), default=None)
    return Made(newest, tuple(others))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _is_news(path: Path, own: Path, note: Note) -> bool:
    if path == own:
        return hash_of(path) != note.sha256
    return path.stat().st_mtime_ns >= note.begun_ns


def hash_of(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def end_copy(place: Place, note: Note) -> None:
    """Remove a copy that was taken back, or that nothing was done to; the program's own files stay."""
    place.note.unlink(missing_ok=True)
    stem = split_path(file_of(place, note).name)[0].casefold()
    for path in _files(place.folder):
        if is_image(path.name) and split_path(path.name)[0].casefold() == stem:
            path.unlink()
    with contextlib.suppress(OSError):
        place.folder.rmdir()


def set_aside(place: Place) -> Path:
    """Make room for a new copy; returns where the old one, whole, is now."""
    goal = place.folder.with_name(f"{place.folder.name}-{time.strftime('%Y%m%d-%H%M%S')}")
    number = 1
    while goal.exists():
        number += 1
        goal = goal.with_name(f"{goal.name}-{number}")
    place.folder.rename(goal)
    place.note.unlink(missing_ok=True)
    return goal
