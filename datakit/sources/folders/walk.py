"""A folder to import from, as it lies on disk: which files there are, what they are, what is not read and why."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Mapping
from functools import cached_property
from itertools import chain, count
from pathlib import Path

from datakit.config import CONFIG_NAME
from datakit.errors import InputError
from datakit.model.item import IMAGE_EXTENSIONS, split_path
from datakit.model.order import RAW
from datakit.sources.folders.archives import Unpacked, archive_stem, is_archive, is_ugoira, unpack
from datakit.sources.folders.files import (
    CAPTION_EXTENSIONS,
    DATASET,
    GIF,
    IRREGULAR,
    LINK,
    VIDEO_EXTENSIONS,
    Aside,
    is_seen,
    why_hidden,
)

__all__ = [
    "CAPTION_EXTENSIONS", "GIF", "VIDEO_EXTENSIONS", "Aside", "Folder", "is_dataset", "open_folder", "walk",
]  # fmt: skip


class Folder:
    """The files of a folder, by relative path: only read, never written. Symbolic links in it are not followed.

    Files need not lie where their paths say: what archives hold lies in a scratch folder, and reads as if it were
    in a folder named as the archive.
    """

    def __init__(
        self,
        name: str,
        files: Mapping[str, Path],
        *,
        odd: Iterable[Aside] = (),
        ugoira: Container[str] = frozenset(),
        takes_frames: bool = False,
    ) -> None:
        self.name = name
        """Of the folder or archive that a person named."""
        self.files = {path: files[path] for path in sorted(files)}
        """Relative path → where its bytes lie, sorted; hidden files and folders are left out. Moving pictures of
        archives have no bytes where their frames are not taken."""
        self.odd = list(odd)
        """What is not read: links, pipes, devices, hidden images, other datasets, archives that cannot be opened."""
        self.ugoira = ugoira
        """Zip files that hold the frames of an animation."""
        self.takes_frames = takes_frames
        """Whether moving pictures count as images, since their frames will be taken."""
        self.on_read: Callable[[str], None] | None = None
        """Is told the path of each file that is going to be read."""

    @cached_property
    def _by_extension(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.files:
            found.setdefault(split_path(path)[1].lower(), []).append(path)
        return found

    def ending(self, *extensions: str) -> list[str]:
        """The files with one of these extensions, which are in lower case, in any case; sorted."""
        rows = [self._by_extension[one] for one in dict.fromkeys(extensions) if one in self._by_extension]
        return list(rows[0]) if len(rows) == 1 else sorted(chain.from_iterable(rows))

    @cached_property
    def images(self) -> list[str]:
        """Those files that are images by their extension; moving ones only where their frames are taken."""
        still = [path for path in self.ending(*IMAGE_EXTENSIONS) if path not in self._moving]
        return sorted([*still, *self._moving]) if self.takes_frames else still

    @cached_property
    def _image_set(self) -> frozenset[str]:
        return frozenset(self.images)

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """`folder/stem` → images."""
        found: dict[str, list[str]] = {}
        for path in self.images:
            found.setdefault(split_path(path)[0], []).append(path)
        return found

    def is_image(self, path: str) -> bool:
        """Whether a path is one of `images`."""
        return path in self._image_set

    def is_moving(self, path: str) -> bool:
        """Whether a path of the folder is a moving picture's: gif, video, ugoira."""
        return path in self._moving

    @cached_property
    def _moving(self) -> frozenset[str]:
        ugoira = (path for path in self.files if path in self.ugoira)
        return frozenset(chain(self.ending(GIF, *VIDEO_EXTENSIONS), ugoira))

    @cached_property
    def moving_stems(self) -> frozenset[str]:
        """`folder/stem` of the moving pictures, with and without their extension."""
        return self._moving | {split_path(path)[0] for path in self._moving}

    def without(self, taken: Container[str]) -> Folder:
        """The same folder, less some of its files."""
        if not taken:
            return self  # most sources take nothing, and what is known of the files stays known
        left = {path: file for path, file in self.files.items() if path not in taken}
        rest = Folder(self.name, left, odd=self.odd, ugoira=self.ugoira, takes_frames=self.takes_frames)
        rest.on_read = self.on_read
        return rest

    def path_of(self, path: str) -> Path:
        """Where the bytes of a file lie."""
        if self.on_read is not None:
            self.on_read(path)
        return self.files[path]

    def read(self, path: str) -> bytes:
        """Content of a file.

        Raises:
            InputError: it cannot be read.
        """
        if self.on_read is not None:
            self.on_read(path)
        try:
            with open(self.files[path], "rb", buffering=0) as file:  # noqa: PTH123  a third faster for small files
                return file.read()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from error

    @cached_property
    def _captions(self) -> dict[str, str]:
        """Path with its extension in lower case → path, of every caption."""
        return {f"{split_path(path)[0]}.{one}": path for one in CAPTION_EXTENSIONS for path in self.ending(one)}

    def caption_of(self, image: str) -> str:
        """The caption beside an image: `x.txt`, `x.caption` or `x.png.txt`; '' for none."""
        stem = split_path(image)[0]
        names = (f"{stem}.txt", f"{stem}.caption", f"{image}.txt")
        return next((self._captions[name] for name in names if name in self._captions), "")


def open_folder(root: Path, *, scratch: Path, takes_frames: bool = False) -> Folder:
    """A folder, or an archive, to import from; what its archives hold is unpacked below `scratch`.

    Raises:
        InputError: it cannot be listed or opened.
        WriteError: there is no room for what an archive holds.
    """
    if root.is_dir():
        return _open_tree(root, scratch, takes_frames)
    if not root.is_file():
        what = "is not a folder or archive" if root.exists() else "no such folder or archive"
        raise InputError(f"{root}: {what}", hint="give the folder that the scraper wrote, or a zip or tar of it")
    if not is_archive(root.name):
        raise InputError(f"{root}: is not a folder or archive", hint="give the folder that the file lies in")
    if takes_frames and is_ugoira(root):
        return Folder(archive_stem(root.name), {root.name: root}, ugoira=frozenset({root.name}), takes_frames=True)
    held = unpack(root, scratch=scratch, takes_frames=takes_frames)
    name, held = held.less_top_folder(archive_stem(root.name))
    odd = [Aside(one.path or root.name, one.reason) for one in held.odd]
    return Folder(name, held.files, odd=odd, ugoira=held.ugoira, takes_frames=takes_frames)


def _open_tree(root: Path, scratch: Path, takes_frames: bool) -> Folder:
    files, odd = walk(root)
    archives = [path for path in files if is_archive(path)]
    ugoira = {path for path in archives if is_ugoira(files[path])}
    folders = _folders_of(files) if len(archives) > len(ugoira) else set()
    for path in archives:
        if path in ugoira:
            continue
        archive = files.pop(path)
        try:
            held = unpack(archive, scratch=scratch, takes_frames=takes_frames)
        except InputError as error:
            odd.append(Aside(path, f"{error.message.removeprefix(f'{archive}: ')}; {error.hint}"))
            continue
        _add(files, odd, ugoira, (_free_name(path, folders), path, held))
    return Folder(root.name, files, odd=odd, ugoira=frozenset(ugoira), takes_frames=takes_frames)


def _add(files: dict[str, Path], odd: list[Aside], ugoira: set[str], archive: tuple[str, str, Unpacked]) -> None:
    """Let (folder's name, archive's path, what it holds) be part of a folder."""
    folder, path, held = archive
    top, inner = held.less_top_folder("")
    if top == folder.rpartition("/")[2]:
        held = inner  # whoever packs a folder gives the archive its name
    files |= {f"{folder}/{name}": file for name, file in held.files.items()}
    ugoira |= {f"{folder}/{name}" for name in held.ugoira}
    odd += [Aside(f"{folder}/{one.path}" if one.path else path, one.reason) for one in held.odd]


def _folders_of(files: Iterable[str]) -> set[str]:
    """Every folder that one of the paths lies in."""
    found: set[str] = set()
    for path in files:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _free_name(path: str, folders: set[str]) -> str:
    """The archive's path without its extension; with it, or a number, where a folder has that name. Now taken."""
    names = chain((archive_stem(path), path), (f"{path}-{number}" for number in count(2)))
    name = next(one for one in names if one not in folders)
    folders.add(name)
    return name


def walk(root: Path) -> tuple[dict[str, Path], list[Aside]]:
    """(relative path → path of all regular files below `root`, what is not read).

    Raises:
        InputError: `root` cannot be listed; a folder below that cannot is told of with the rest.
    """
    found: dict[str, Path] = {}
    odd: list[Aside] = []
    ahead = [("", root)]
    while ahead:
        prefix, folder = ahead.pop()
        try:
            with os.scandir(folder) as rows:
                entries = list(rows)
        except OSError as error:
            if not prefix:
                hint = "check the folder's permissions"
                raise InputError(f"{root}: {error.strerror}", hint=hint) from error
            odd.append(Aside(prefix.rstrip("/"), f"cannot be listed: {error.strerror}"))
            continue
        if prefix and any(entry.name == CONFIG_NAME for entry in entries) and is_dataset(folder):
            odd.append(Aside(prefix.rstrip("/"), DATASET))
            continue
        for entry in entries:
            reason = _look(entry)
            path = prefix + entry.name
            if reason == "":
                found[path] = folder / entry.name
            elif reason == _FOLDER:
                ahead.append((f"{path}/", folder / entry.name))
            elif reason is not None:
                odd.append(Aside(path, reason))
    return found, sorted(odd, key=lambda one: one.path)


_FOLDER = "/"


def _look(entry: os.DirEntry[str]) -> str | None:
    """Why a file is not read, '' where it is; `_FOLDER` for a folder to look into, None for what is not seen."""
    name = entry.name
    try:
        if entry.is_symlink():
            return LINK if is_seen(name) else None
        if entry.is_dir(follow_symlinks=False):
            return None if name.startswith(".") else _FOLDER
        if not is_seen(name):
            return None
        return why_hidden(name) if entry.is_file(follow_symlinks=False) else IRREGULAR
    except OSError as error:
        return error.strerror or str(error)


def is_dataset(path: Path) -> bool:
    """Whether a folder is a dataset of dsk, whose stages hold each image several times."""
    return (path / CONFIG_NAME).is_file() and (path / RAW).is_dir()
