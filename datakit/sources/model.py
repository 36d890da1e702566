"""What a source is: something that finds images, captions and facts in a folder that people scraped."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

from datakit.config import CONFIG_NAME
from datakit.errors import InputError
from datakit.model.item import is_image, split_path
from datakit.model.order import RAW
from datakit.model.record import Scraped
from datakit.registry import Family

CAPTION_EXTENSIONS: Final = ("txt", "caption")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a folder with what came along; paths are relative to the folder."""

    image: str
    caption: str = ""
    scraped: Scraped | None = None
    problem: str = ""
    """What was wrong with its sidecar; the image is imported all the same."""


class Aside(msgspec.Struct, frozen=True):
    """A file that is not imported, and why."""

    path: str
    reason: str


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """All that a source found."""

    found: list[Found]
    orphans: list[str] = []
    """Captions without an image; imported beside the images, for lint to pair."""
    aside: list[Aside] = []


class Folder:
    """A folder to import from: only read, never written. Symbolic links inside it are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def files(self) -> dict[str, None]:
        """Relative paths of all regular files, sorted; hidden files and folders are left out.

        Raises:
            InputError: a folder cannot be listed.
        """
        return self._walked[0]

    @property
    def odd(self) -> list[Aside]:
        """What is not read: links, pipes, devices, hidden images, and other datasets."""
        return self._walked[1]

    @cached_property
    def _walked(self) -> tuple[dict[str, None], list[Aside]]:
        found: list[str] = []
        odd: list[Aside] = []

        def refuse(error: OSError) -> None:
            raise InputError(f"{error.filename}: {error.strerror}", hint="check the folder's permissions") from error

        for folder, folders, names in os.walk(self.root, onerror=refuse):
            prefix = Path(folder).relative_to(self.root).as_posix()
            prefix = "" if prefix == "." else prefix + "/"
            reasons = {name: _why_no_folder(Path(folder, name)) for name in folders if not name.startswith(".")}
            folders[:] = [name for name, reason in reasons.items() if not reason]
            reasons |= {name: _why_no_file(folder, name) for name in names if _is_seen(name)}
            odd += [Aside(prefix + name, reason) for name, reason in sorted(reasons.items()) if reason]
            found += [prefix + name for name in names if reasons.get(name) == ""]
        return dict.fromkeys(sorted(found)), odd

    @cached_property
    def images(self) -> list[str]:
        """Those files that are images by their extension."""
        return [path for path in self.files if is_image(path)]

    def read(self, path: str) -> bytes:
        """Content of a file.

        Raises:
            InputError: it cannot be read.
        """
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise InputError(f"{self.root / path}: {error.strerror}") from error

    @cached_property
    def _captions(self) -> dict[str, str]:
        """Path with its extension in lower case → path, of every caption."""
        split = ((path, *split_path(path)) for path in self.files)
        return {f"{stem}.{end.lower()}": path for path, stem, end in split if end.lower() in CAPTION_EXTENSIONS}

    def caption_of(self, image: str) -> str:
        """The caption beside an image: `x.txt`, `x.caption` or `x.png.txt`; '' for none."""
        stem = split_path(image)[0]
        names = (f"{stem}.txt", f"{stem}.caption", f"{image}.txt")
        return next((self._captions[name] for name in names if name in self._captions), "")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One scrape format."""

    name: str
    title: str
    detect: Callable[[Folder], float]
    """How sure it is that the folder is of this format: 0 no, 1 certain; the surest source reads it."""
    scan: Callable[[Folder], Listing]


SOURCES: Family[Source] = Family("datakit.sources", Source, "SOURCE", word="source")


def listing(folder: Folder, found: Iterable[Found], *, used: set[str]) -> Listing:
    """A listing with every file accounted for: what is neither an image nor in `used` is an orphan or left aside."""
    rows = list(found)
    taken = {row.image for row in rows} | {row.caption for row in rows} | used
    orphans: list[str] = []
    aside = list(folder.odd)
    stems = {*folder.images, *(split_path(image)[0] for image in folder.images)}
    for path in folder.files:
        if path in taken:
            continue
        extension = split_path(path)[1].lower()
        if extension in CAPTION_EXTENSIONS:
            orphans.append(path)
        elif extension == "json":
            aside.append(Aside(path, _UNREAD if split_path(path)[0] in stems else "metadata of no single image"))
        else:
            aside.append(Aside(path, _REASONS.get(extension, "not an image")))
    return Listing(found=rows, orphans=orphans, aside=aside)


def _is_seen(name: str) -> bool:
    """Hidden files are the system's own, but a hidden image may have been meant."""
    return not name.startswith(".") or is_image(name.lstrip("."))


def _why_no_file(folder: str, name: str) -> str:
    try:
        mode = os.lstat(f"{folder}/{name}").st_mode
    except OSError as error:
        return error.strerror or str(error)
    if stat.S_ISLNK(mode):
        return _LINK
    if not stat.S_ISREG(mode):
        return "not a regular file"
    return "hidden" if name.startswith(".") else ""


def _why_no_folder(path: Path) -> str:
    if path.is_symlink():
        return _LINK
    return "another dataset; its raw folder can be imported" if is_dataset(path) else ""


def is_dataset(path: Path) -> bool:
    """Whether a folder is a dataset of dsk, whose stages hold each image several times."""
    return (path / CONFIG_NAME).is_file() and (path / RAW).is_dir()


_LINK = "symbolic link (not followed)"
_UNREAD = "metadata in a form that is not read"
_REASONS = {
    **dict.fromkeys(("mp4", "webm", "mkv", "mov", "avi"), "video"),
    "swf": "flash",
    "zip": "archive (an ugoira's frames, perhaps)",
    "npz": "a trainer's cache",
    "psd": "a Photoshop document",
}
