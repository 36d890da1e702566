"""What a path holds for an import: its files, who reads them, and the frames of its moving pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from datakit.actions.ingesting import Picture
from datakit.errors import InputError
from datakit.model.item import is_image, split_path
from datakit.model.progress import Progress, silent
from datakit.sources.easy_training import SOURCE as EASY_TRAINING
from datakit.sources.easy_training import image_folders
from datakit.sources.folders.archives import is_archive
from datakit.sources.folders.files import Aside
from datakit.sources.folders.frames import frames_of
from datakit.sources.folders.walk import Folder, open_folder
from datakit.sources.model import Found, Listing, read_listing
from datakit.store.collector import without_collector

_TOLD_EVERY: Final = 64


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """All that is to be imported from one path."""

    folder: Folder
    listing: Listing
    pictures: list[Picture]
    """Every image in the order of their paths; of a moving picture, its frames."""
    problems: list[str] = []
    """Of moving pictures."""


def gather(path: Path, *, source: str, most_frames: int, scratch: Path, progress: Progress = silent) -> Gathered:
    """Look through a folder, an archive, or a file of metadata.

    Args:
        path: which of them.
        source: the format to read it as; '' to look.
        most_frames: taken out of a moving picture; 0 for none.
        scratch: folder that the caller removes afterwards.
        progress: is told of the files that sources read, and of the moving pictures.

    Raises:
        InputError: nothing to import is in it; the message says what is.
        UsageError: no such format.
    """
    folder, source = _opened(path, source, scratch=scratch / "archives", takes_frames=most_frames > 0)
    folder.on_read = _counting(folder, progress)
    with without_collector():
        listing = read_listing(folder, source)
    folder.on_read = None
    if not (listing.found or listing.orphans or listing.loose):
        raise _nothing(path, listing)
    problems: list[str] = []
    pictures: list[Picture] = []
    num_moving = sum(folder.is_moving(found.image) for found in listing.found)
    num_done = 0
    frames = scratch / "frames"
    for found in listing.found:
        pictures += _pictures(folder, found, most=most_frames, scratch=frames, problems=problems)
        if folder.is_moving(found.image):
            num_done += 1
            progress("frames", num_done, num_moving)
    return Gathered(folder=folder, listing=listing, pictures=pictures, problems=problems)


def _counting(folder: Folder, progress: Progress) -> Callable[[str], None]:
    """Tells how many of the files that are no images were read."""
    total = sum(not is_image(path) for path in folder.files)
    done: set[str] = set()

    def count(path: str) -> None:
        done.add(path)
        if len(done) % _TOLD_EVERY == 0:
            progress("read", min(len(done), total), total)

    return count


def _opened(path: Path, source: str, *, scratch: Path, takes_frames: bool) -> tuple[Folder, str]:
    """(The files, the source to read them with)."""
    if path.is_dir() or is_archive(path):
        return open_folder(path.resolve(), scratch=scratch, takes_frames=takes_frames), source
    if split_path(path.name)[1].lower() == "toml":
        folder = _of_subsets(path.resolve(), scratch=scratch, takes_frames=takes_frames)
        return folder, source or EASY_TRAINING.name
    return Folder(path.resolve().parent.name, {path.name: path.resolve()}, takes_frames=takes_frames), source


def _of_subsets(path: Path, *, scratch: Path, takes_frames: bool) -> Folder:
    """A dataset's TOML with the folders that it names and nothing else; those elsewhere go by their own names."""
    files = {path.name: path}
    odd: list[Aside] = []
    for number, place in enumerate(image_folders(path)):
        if not place.is_dir():
            continue  # the source tells of it
        inside = open_folder(place.resolve(), scratch=scratch / str(number), takes_frames=takes_frames)
        near = place.resolve().is_relative_to(path.parent)
        prefix = place.resolve().relative_to(path.parent).as_posix() if near else place.resolve().name
        files |= {f"{prefix}/{name}".removeprefix("./"): file for name, file in inside.files.items()}
        odd += [Aside(f"{prefix}/{one.path}", one.reason) for one in inside.odd]
    return Folder(path.parent.name, files, odd=odd, takes_frames=takes_frames)


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
        f"{path}: no images or metadata in it" + (f", only: {seen}" if seen else ""),
        hint="images are known by their extension, such as .png or .webp; metadata by its fields",
    )
