"""What lies in a folder that was exported to before: whose it is, and which of its files dsk wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from datakit.actions.exporting.folders import ANY, SCRATCH, Hashes, Stamp, is_inside
from datakit.actions.exporting.manifests import decode_manifest, known_object
from datakit.errors import StateError, UsageError
from datakit.exports.model import MANIFEST_NAME, Manifest
from datakit.model.record import encode_json
from datakit.repo.dataset import Dataset

_JUNK: Final = frozenset({SCRATCH, ".DS_Store", "Thumbs.db", "desktop.ini", "lost+found"})
"""What systems put into folders by themselves."""
_HALF: Final = f".{MANIFEST_NAME}."
"""What a manifest is called that a killed process was writing."""
_MEMO: Final = "exported:1:"


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """In the place of a manifest while files are written, so that the folder is known after a kill, too."""

    dsk: str
    """Version of dsk."""
    format: str
    unfinished: bool
    commit: str
    """The dataset's commit that is being exported."""
    files: dict[str, tuple[str, ...]]
    """Path → sha256 of what dsk wrote there or is about to; `*` where nobody knows yet."""


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier export left in a folder."""

    manifest: Manifest | None = None
    """None where it did not come to its end, or never began."""
    format: str = ""
    """'' where there was none."""
    commit: str = ""
    files: dict[str, frozenset[str]] = {}
    """Path → what dsk wrote there."""


def read_left(folder: Path) -> Left:
    """What an earlier export left.

    Raises:
        UsageError: a file stands there, or a folder that holds something and is not ours.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except FileNotFoundError:
        return Left()
    except NotADirectoryError as error:
        raise UsageError(f"{folder}: is a file, and an export is a folder", hint="choose an empty folder") from error
    found = _decoded(folder) if MANIFEST_NAME in names else None
    if found is not None:
        return found
    others = [name for name in names if name not in _JUNK and not name.startswith(_HALF)]
    if others:
        raise UsageError(
            f"{folder}: holds {others[0]}, and no manifest of dsk export: it is somebody else's folder",
            hint="choose an empty folder",
        )
    return Left()


def tidy(folder: Path) -> None:
    """Remove manifests that a killed process did not write to their ends."""
    for left in folder.glob(f"{_HALF}*.tmp"):
        left.unlink(missing_ok=True)


def _decoded(folder: Path) -> Left | None:
    """None where the manifest is none of ours."""
    try:
        data = (folder / MANIFEST_NAME).read_bytes()
    except OSError:
        return None
    if (manifest := decode_manifest(data)) is not None:
        files = {path: frozenset({sha}) for path, sha in manifest.files.items() if is_inside(path)}
        return Left(manifest=manifest, format=manifest.format, commit=manifest.commit, files=files)
    try:
        journal = msgspec.json.decode(data, type=Journal)
    except msgspec.DecodeError:
        return None
    files = {path: frozenset(shas) for path, shas in journal.files.items() if is_inside(path)}
    return Left(format=journal.format, commit=journal.commit, files=files)


def refuse_others(dataset: Dataset, place: Path, left: Left, name: str) -> None:
    """Refuse what was exported from another dataset, or in another format: it would all go.

    Raises:
        StateError: it is such a folder or archive.
    """
    cure = "choose another folder; or delete this one, if nobody needs it"
    if left.format and left.format != name:
        raise StateError(f"{place}: holds an export of the format {left.format}, not {name}", hint=cure)
    if left.commit and not _is_known(dataset, left.commit):
        raise StateError(
            f"{place}: was exported from another dataset: commit {left.commit[:12]} is not in this one", hint=cure
        )


def _is_known(dataset: Dataset, commit: str) -> bool:
    return known_object(dataset, commit) is not None


def encode_journal(started: Journal, before: Hashes, wanted: Mapping[str, str]) -> bytes:
    """The journal of an export about to be written: what was ours stays ours, and what comes will be.

    `wanted` has '' where nobody knows the hash yet.
    """
    files = dict(before)
    for path, sha in wanted.items():
        files[path] = before.get(path, frozenset()) | ({sha} if sha else ANY)
    rows = {path: tuple(sorted(shas)) for path, shas in sorted(files.items())}
    return encode_json(msgspec.structs.replace(started, files=rows))


def recall(dataset: Dataset, place: Path) -> dict[str, Stamp]:
    """What is remembered of the files that were last written to a place; what is not will be read."""
    name = _MEMO + os.path.realpath(place)
    data = dataset.memo.get([name]).get(name)
    return msgspec.msgpack.decode(data, type=dict[str, Stamp]) if data else {}


def remember(dataset: Dataset, place: Path, stamps: Iterable[tuple[str, Stamp]]) -> None:
    """Remember files of a place by their stats: nothing depends on it but how long the next export takes."""
    dataset.memo.put([(_MEMO + os.path.realpath(place), msgspec.msgpack.encode(dict(stamps)))])
