"""What a path holds for an import: its files, who reads them, and the frames of its moving pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from datakit.actions.ingesting import Picture
from datakit.errors import InputError
from datakit.model.item import split_path
from datakit.sources.archives import is_archive
from datakit.sources.frames import frames_of
from datakit.sources.model import Found, Listing, read_listing
from datakit.sources.walk import Folder, open_folder

_SUBSET_LISTS: Final = {"toml": "easy_training"}
"""Files that name the folders to read, which lie beside them: extension → source."""


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """All that is to be imported from one path."""

    folder: Folder
    listing: Listing
    pictures: list[Picture]
    """Every image in the order of their paths; of a moving picture, its frames."""
    problems: list[str] = []
    """Of moving pictures."""


def gather(path: Path, *, source: str, most_frames: int, scratch: Path) -> Gathered:
    """Look through a folder, an archive, or a file of metadata.

    Args:
        path: which of them.
        source: the format to read it as; '' to look.
        most_frames: taken out of a moving picture; 0 for none.
        scratch: folder that the caller removes afterwards.

    Raises:
        InputError: nothing to import is in it; the message says what is.
        UsageError: no such format.
    """
    folder, source = _opened(path, source, scratch=scratch / "archives", takes_frames=most_frames > 0)
    listing = read_listing(folder, source)
    if not (listing.found or listing.orphans or listing.loose):
        raise _nothing(path, listing)
    problems: list[str] = []
    pictures = [
        picture
        for found in listing.found
        for picture in _pictures(folder, found, most=most_frames, scratch=scratch / "frames", problems=problems)
    ]
    return Gathered(folder=folder, listing=listing, pictures=pictures, problems=problems)


def _opened(path: Path, source: str, *, scratch: Path, takes_frames: bool) -> tuple[Folder, str]:
    """(The files, the source to read them with)."""
    if path.is_dir() or is_archive(path):
        return open_folder(path.resolve(), scratch=scratch, takes_frames=takes_frames), source
    extension = split_path(path.name)[1].lower()
    if extension in _SUBSET_LISTS:
        around = open_folder(path.resolve().parent, scratch=scratch, takes_frames=takes_frames)
        return around, source or _SUBSET_LISTS[extension]
    return Folder(path.resolve().parent.name, {path.name: path.resolve()}, takes_frames=takes_frames), source


def _pictures(folder: Folder, found: Found, *, most: int, scratch: Path, problems: list[str]) -> Iterator[Picture]:
    """An image as it is, or the frames of a moving picture."""
    stem = split_path(found.image)[0]
    if found.stem:
        stem = f"{stem.rpartition('/')[0]}/{found.stem}".lstrip("/")
    if not folder.is_moving(found.image):
        yield Picture(found, folder.path_of(found.image), stem)
        return
    try:
        taken = frames_of(folder, found.image, most=most, scratch=scratch)
    except InputError as error:
        hint = f" ({error.hint})" if error.hint else ""
        problems.append(f"{error.message}{hint}")
        return
    if taken.problem:
        problems.append(f"{found.image}: {taken.problem}")
    for frame in taken.frames:
        yield Picture(found, frame.path, f"{stem}{frame.stem_suffix}", frame.number)


def _nothing(path: Path, listing: Listing) -> InputError:
    reasons: dict[str, int] = {}
    for aside in listing.aside:
        reasons[aside.reason] = reasons.get(aside.reason, 0) + 1
    most = sorted(reasons.items(), key=lambda row: -row[1])[:3]
    seen = ", ".join(f"{number} {reason}" for reason, number in most)
    return InputError(
        f"{path}: no images in it" + (f", only: {seen}" if seen else ""),
        hint="images are known by their extension, such as .png or .webp",
    )
