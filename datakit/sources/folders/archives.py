"""Archives, read as if they were folders: what can matter in them is unpacked into a scratch folder first.

No name in an archive becomes a name on disk. Archives inside of archives are not opened.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from datakit.config import CONFIG_NAME
from datakit.errors import DskError, InputError, WriteError
from datakit.model.order import RAW
from datakit.sources.folders.files import ARCHIVE, DATASET, Aside
from datakit.sources.folders.unpacking import IN_ARCHIVE, Sink
from datakit.sources.folders.untar import untar
from datakit.sources.folders.unzip import open_zip, unzip

_FOREIGN: Final = ((b"Rar!\x1a\x07", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"))
_FRAME: Final = re.compile(r"(\d{6})\.(jpg|jpeg|png|gif|webp)", re.I)
_TIMING: Final = "animation.json"
_MAX_FRAMES: Final = 10_000


class Unpacked(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds, by its paths."""

    files: Mapping[str, Path]
    """Path in the archive → where its bytes lie."""
    odd: list[Aside]
    """What is not read; a path of '' stands for the archive itself."""
    ugoira: frozenset[str] = frozenset()

    def less_top_folder(self, name: str) -> tuple[str, Unpacked]:
        """(that folder's name, the same without it) if everything lies in one folder, else `name` and the same."""
        tops = {path.partition("/")[0] if "/" in path else "" for path in self.files}
        top = tops.pop() if len(tops) == 1 else ""
        if not top:
            return name, self
        cut = f"{top}/"
        return top, Unpacked(
            files={path.removeprefix(cut): file for path, file in self.files.items()},
            odd=[Aside(one.path.removeprefix(cut), one.reason) for one in self.odd],
            ugoira=frozenset(path.removeprefix(cut) for path in self.ugoira),
        )


def is_archive(path: str | Path) -> bool:
    """Whether the name is an archive's, also of a kind that cannot be opened."""
    return ARCHIVE.fullmatch(str(path)) is not None


def archive_stem(path: str) -> str:
    """The path without the archive's extension, `.tar.gz` as a whole."""
    found = ARCHIVE.fullmatch(path)
    return found[1] if found else path


def is_ugoira(path: Path) -> bool:
    """Whether a zip file is an animation: frames alone, `000000.jpg` and so on, perhaps with their delays."""
    try:
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                return False
        with open_zip(path) as bundle:
            names = bundle.namelist()
    except (OSError, InputError):
        return False
    return bool(ugoira_frames(names))


def ugoira_frames(names: list[str]) -> list[str]:
    """The frames of an ugoira in their order; none where these are not the members of one."""
    frames = sorted(name for name in names if name != _TIMING)
    if not 2 <= len(frames) <= _MAX_FRAMES:
        return []
    found = [_FRAME.fullmatch(name) for name in frames]
    is_one = all(row is not None and int(row[1]) == number for number, row in enumerate(found))
    return frames if is_one and len({row[2].lower() for row in found if row}) == 1 else []


def unpack(archive: Path, *, scratch: Path, takes_frames: bool = False) -> Unpacked:
    """Unpack what can matter of an archive into a new folder below `scratch`.

    Raises:
        InputError: it cannot be read, or is a bomb; nothing of it is left.
        WriteError: the disk has no room.
    """
    folder = _new_folder(scratch)
    try:
        sink = Sink(archive, folder, takes_frames=takes_frames)
        _open(archive, sink)
        ugoira = _keep_ugoira(sink)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(f"{archive}: {error.strerror}", hint="check the file's permissions") from error
    except DskError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    files, datasets = _less_datasets(sink.files)
    return Unpacked(files=files, odd=[*sink.odd, *datasets], ugoira=ugoira)


def _new_folder(scratch: Path) -> Path:
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="archive-", dir=scratch))
    except OSError as error:
        raise WriteError(f"{scratch}: {error.strerror}", hint="check the disk and the permissions") from error


def _open(archive: Path, sink: Sink) -> None:
    """Unpack by what the first bytes say: names of archives are often wrong."""
    with archive.open("rb") as file:
        start = file.read(8)
    foreign = next((name for magic, name in _FOREIGN if start.startswith(magic)), "")
    if foreign or not start:
        what = f"{foreign} archives are not read" if foreign else "is empty"
        raise InputError(f"{archive}: {what}", hint="unpack it first" if foreign else "download it again")
    if start.startswith(b"PK") or _is_zip_by_name(archive):
        unzip(archive, sink)
    else:
        untar(archive, sink)


def _is_zip_by_name(archive: Path) -> bool:
    """A zip file may have a program before it."""
    return archive.name.lower().endswith((".zip", ".cbz")) and zipfile.is_zipfile(archive)


def _keep_ugoira(sink: Sink) -> frozenset[str]:
    """Tell ugoira from the other archives that were unpacked; those are not opened."""
    found: set[str] = set()
    for path, file in list(sink.files.items()):
        if not is_archive(path):
            continue
        if is_ugoira(file):
            found.add(path)
        else:
            del sink.files[path]
            sink.odd.append(Aside(path, IN_ARCHIVE))
    return frozenset(found)


def _less_datasets(files: Mapping[str, Path]) -> tuple[dict[str, Path], list[Aside]]:
    """Leave out datasets below the top, whose stages hold each image several times."""
    settings = {path.removesuffix(f"/{CONFIG_NAME}") for path in files if path.endswith(f"/{CONFIG_NAME}")}
    mark = f"/{RAW}/"
    found = {path[: row.start()] for path in files for row in re.finditer(mark, path)} if settings else set()
    datasets = settings & found
    if not datasets:
        return dict(files), []
    kept = {path: file for path, file in files.items() if not any(one in datasets for one in _above(path))}
    return kept, [Aside(one, DATASET) for one in sorted(datasets)]


def _above(path: str) -> Iterator[str]:
    """Every folder that a path lies in."""
    while path := path.rpartition("/")[0]:
        yield path
