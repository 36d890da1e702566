"""What a source is: something that finds images, captions and facts in a folder that people scraped."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import msgspec

from datakit.errors import InputError
from datakit.model.item import is_image, split_path
from datakit.model.record import Scraped
from datakit.registry import Family


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
        """What has a file's name but is none that could be read safely: links, pipes, devices."""
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
            shown = [name for name in folders if not name.startswith(".")]
            folders[:] = [name for name in shown if not Path(folder, name).is_symlink()]
            odd += [Aside(prefix + name, _LINK) for name in sorted({*shown} - {*folders})]
            for name in sorted(name for name in names if not name.startswith(".")):
                reason = _why_odd(Path(folder, name))
                if reason:
                    odd.append(Aside(prefix + name, reason))
                else:
                    found.append(prefix + name)
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

    def caption_of(self, image: str) -> str:
        """The caption beside an image: `x.txt`, `x.caption` or `x.png.txt`; '' for none."""
        stem = split_path(image)[0]
        return next((path for path in (f"{stem}.txt", f"{stem}.caption", f"{image}.txt") if path in self.files), "")


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
    for path in folder.files:
        if path in taken:
            continue
        extension = split_path(path)[1].lower()
        if extension in {"txt", "caption"}:
            orphans.append(path)
        else:
            aside.append(Aside(path, _REASONS.get(extension, "not an image")))
    return Listing(found=rows, orphans=orphans, aside=aside)


def _why_odd(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return _LINK
    return "" if stat.S_ISREG(mode) else "not a regular file"


_LINK = "a symbolic link, not followed"
_REASONS = {
    **dict.fromkeys(("mp4", "webm", "mkv", "mov", "avi"), "video"),
    "swf": "flash",
    "zip": "archive (an ugoira's frames, perhaps)",
    "json": "metadata without its image",
    "npz": "a trainer's cache",
    "psd": "a Photoshop document",
}
