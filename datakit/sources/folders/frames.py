"""Images taken out of moving pictures: gifs, ugoira and videos, spread evenly over the time that they last."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.errors import InputError, WriteError
from datakit.images.convert import encode
from datakit.images.decode import UnreadableImage
from datakit.images.frames import Still, choose, gif_stills, kind_of, video_stills
from datakit.model.item import split_path
from datakit.sources.folders.archives import ugoira_frames
from datakit.sources.folders.unzip import METHODS, ZIP_ERRORS, open_zip
from datakit.sources.folders.walk import Folder
from datakit.sources.reading.sidecars import parse_json

_TIMING: Final = "animation.json"
_TIMING_BYTES: Final = 4 << 20
_FRAME_BYTES: Final = 256 << 20
_DELAY_MS: Final = 60.0
"""Of an ugoira that does not tell its delays; all alike, so that only the spread matters."""
_MAX_DELAY_MS: Final = 3_600_000.0


class Frame(msgspec.Struct, frozen=True):
    """One image of a moving picture."""

    path: Path
    """Where its bytes lie."""
    number: int
    """From 1, in the whole animation."""
    time_s: float

    @property
    def stem_suffix(self) -> str:
        """What follows the animation's stem in the frame's own: `_f0001`."""
        return f"_f{self.number:04d}"


class Frames(msgspec.Struct, frozen=True):
    """What was taken out of a moving picture."""

    frames: tuple[Frame, ...]
    """In their order; those that look as the one before are left out."""
    problem: str = ""
    """Why there are fewer than there should be, or none, without the file's name; '' where all went well."""


def frames_of(folder: Folder, path: str, *, most: int, scratch: Path) -> Frames:
    """At most `most` frames of a moving picture of the folder, as files in a new folder below `scratch`.

    Frames of an ugoira keep their bytes; all others become PNG files, of which the same picture always gives the same.

    Raises:
        InputError: a video, and PyAV is not installed.
        WriteError: the disk refuses.
    """
    taken: list[Frame] = []
    source = folder.path_of(path)
    place = _new_folder(scratch)
    seen = ""
    try:
        for number, time_s, extension, data in _rows(folder, path, source, most):
            digest = hashlib.sha256(data).hexdigest()
            if digest != seen:
                seen = digest
                taken.append(Frame(_write(place, f"{number:06d}.{extension}", data), number, time_s))
    except UnreadableImage as error:
        return Frames(tuple(taken), error.reason)
    except InputError as error:
        raise InputError(f"{path}: {error.message}", hint=error.hint) from error
    except OSError as error:
        return Frames(tuple(taken), error.strerror or str(error))
    return Frames(tuple(taken), "" if taken else "no frames in it")


_Row = tuple[int, float, str, bytes]
"""(number from 1, seconds, extension, content)"""


def _rows(folder: Folder, path: str, source: Path, most: int) -> Iterator[_Row]:
    if path in folder.ugoira:
        return _ugoira_rows(folder, path, source, most)
    kind = kind_of(source)
    extension = split_path(path)[1].lower()
    if kind == "gif" or (kind == "" and extension == "gif"):
        return map(_as_png, gif_stills(source, most=most))
    if kind == "":
        raise UnreadableImage(f"not a video of a known format, though its name ends in .{extension}")
    return map(_as_png, video_stills(source, kind, most=most))


def _as_png(still: Still) -> _Row:
    return still.number + 1, still.time_s, "png", encode(still.image, "png")


def _ugoira_rows(folder: Folder, path: str, source: Path, most: int) -> Iterator[_Row]:
    try:
        with open_zip(source) as bundle:
            names = ugoira_frames(bundle.namelist())
            delays_ms = _delays(folder, path, bundle)
            starts_s = [0.0]
            for name in names:
                starts_s.append(starts_s[-1] + delays_ms.get(name, _DELAY_MS) / 1000)
            for number in choose(starts_s[:-1], starts_s[-1], most):
                data = _bounded(bundle, names[number], _FRAME_BYTES)
                yield number + 1, starts_s[number], split_path(names[number])[1].lower(), data
    except UnreadableImage:
        raise
    except InputError as error:
        raise UnreadableImage(error.message.removeprefix(f"{source}: ")) from error
    except ZIP_ERRORS as error:
        raise UnreadableImage(f"damaged ugoira: {error}") from error


def _bounded(bundle: zipfile.ZipFile, name: str, limit_bytes: int) -> bytes:
    if bundle.getinfo(name).compress_type not in METHODS:
        raise UnreadableImage(f"{name} in it is packed by a method that is not read")
    with bundle.open(name) as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise UnreadableImage(f"{name} in it has more than {limit_bytes >> 20} MiB")
    return data


def _delays(folder: Folder, path: str, bundle: zipfile.ZipFile) -> Mapping[str, float]:
    """Frame → milliseconds, by `animation.json` in the zip file or the metadata beside it; empty for neither."""
    found: Mapping[str, float] = {}
    if _TIMING in bundle.namelist():
        with contextlib.suppress(InputError, *ZIP_ERRORS):
            found = _read_delays(parse_json(_bounded(bundle, _TIMING, _TIMING_BYTES)))
    for sidecar in (f"{path}.json", f"{split_path(path)[0]}.json"):
        if not found and sidecar in folder.files:
            with contextlib.suppress(InputError):
                found = _read_delays(parse_json(folder.read(sidecar)))
    return found


def _read_delays(value: Any) -> Mapping[str, float]:
    """As pixiv's API, gallery-dl and danbooru write them: a list of {file, delay}, somewhere below the top."""
    for name in ("ugokuIllustData", "pixiv_ugoira_frame_data", "body", "frames", "data"):
        if isinstance(value, dict):
            value = value.get(name, value)
    rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
    return {
        row["file"]: float(row["delay"])
        for row in rows
        if isinstance(row.get("file"), str)
        and isinstance(row.get("delay"), int | float)
        and 0 < row["delay"] <= _MAX_DELAY_MS
    }


def _new_folder(scratch: Path) -> Path:
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="frames-", dir=scratch))
    except OSError as error:
        raise WriteError(f"{scratch}: {error.strerror}", hint="check the disk and the permissions") from error


def _write(folder: Path, name: str, data: bytes) -> Path:
    target = folder / name
    try:
        target.write_bytes(data)
    except OSError as error:
        hint = "free some space, then run the command again"
        raise WriteError(f"{target}: {error.strerror}", hint=hint) from error
    return target
