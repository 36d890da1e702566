"""dsk export --archive: an export as one zip or tar, with the same bytes each time.

Entries are sorted behind the manifest, of nobody and from 1980 (zip) or 1970 (tar). Nothing is compressed: images are
already, and what compresses the texts differs from machine to machine.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from datakit.actions.exporting import folders, journals
from datakit.actions.exporting.folders import Source, Stamp
from datakit.actions.exporting.manifests import decode_manifest
from datakit.actions.exporting.outside import Elsewhere, Run, Target
from datakit.actions.linting.preflight import in_words
from datakit.errors import UsageError
from datakit.exports.model import MANIFEST_NAME, Manifest, Pack, encode_manifest
from datakit.model.item import ImageRef
from datakit.repo.dataset import Dataset

KINDS: Final = ("zip", "tar")
_MOST_BYTES: Final = 1 << 28
"""Of a manifest that is read."""
_MODE: Final = 0o644
_COPY_BYTES: Final = 1 << 20


class _Entry(NamedTuple):
    """One file of an archive."""

    name: str
    size_bytes: int
    content: Path | bytes


def archive(run: Run, target: Target) -> Elsewhere | None:
    """Write one format into an archive; None when it was up to date.

    Raises:
        UsageError: something else stands there.
        StateError: lint finds errors, an image is missing, or the archive holds another export.
    """
    dataset, path = run.project.dataset, target.place(run.export.name)
    before = read_before(path)
    if before is not None:
        left = journals.Left(manifest=before, format=before.format, commit=before.commit)
        journals.refuse_others(dataset, path, left, run.export.name)
    stamp = journals.recall(dataset, path).get(path.name)
    if run.is_current(before, folder="") and stamp is not None and stamp.fits(path.stat()):
        return None
    made, ignored = run.make(folder=None)
    sources = folders.sources_of(made.plan)
    folders.refuse_absent(dataset, made.plan.images.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    with folders.scratch_in(path.parent, f".{path.name}.dsk-export") as scratch:
        packs = {name: scratch / f"pack-{number}" for number, name in enumerate(sorted(made.plan.packs))}
        hashes = {name: folders.write_pack(dataset, made.plan.packs[name], str(packs[name]))[1] for name in packs}
        files = {name: folders.hash_of(source) or hashes[name] for name, source in sources.items()}
        digests = {name: pack.digest for name, pack in made.plan.packs.items()}
        manifest = run.manifest(made, ignored, files=files, packs=digests)
        entries = [_entry(MANIFEST_NAME, encode_manifest(manifest)), *_entries(dataset, sources, packs)]
        _write(run, scratch / "archive", target.archive, entries)
        os.replace(scratch / "archive", path)  # noqa: PTH105
    stat = path.stat()
    journals.remember(dataset, path, [(path.name, Stamp(stat.st_size, stat.st_mtime_ns, stat.st_ino, ""))])
    return Elsewhere(
        format=run.export.name,
        place=str(path),
        commit=manifest.commit,
        num_items=len(made.plan.items),
        num_written=len(files),
        notes=(*made.notes, *in_words(ignored, listed_in=f"{MANIFEST_NAME} in {path}")),
    )


def read_before(path: Path) -> Manifest | None:
    """The manifest in the archive that stands there; None where nothing does.

    Raises:
        UsageError: a folder, or a file that dsk did not write.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder, and an archive is a file", hint="choose another name")
    if not os.path.lexists(path):
        return None
    manifest = _manifest_in(path) if path.is_file() else None  # whoever opens a pipe waits
    if manifest is None:
        raise UsageError(
            f"{path}: is there already, and no archive of dsk export", hint="choose another name, or remove it"
        )
    return manifest


def _manifest_in(path: Path) -> Manifest | None:
    data = _manifest_in_zip(path) if zipfile.is_zipfile(path) else _manifest_in_tar(path)
    return decode_manifest(data) if data is not None else None


def _manifest_in_zip(path: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as file:
            info = file.getinfo(MANIFEST_NAME)
            return file.read(info) if info.file_size <= _MOST_BYTES else None
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, OSError, ValueError):
        return None  # encrypted, compressed in a way of its own, cut off


def _manifest_in_tar(path: Path) -> bytes | None:
    """It is the first entry."""
    try:
        with tarfile.open(path, "r:") as file:
            info = file.next()
            if info is None or info.name != MANIFEST_NAME or not info.isfile() or info.size > _MOST_BYTES:
                return None
            content = file.extractfile(info)
            return content.read() if content is not None else None
    except (tarfile.TarError, OSError, ValueError):
        return None


def _entry(name: str, data: bytes) -> _Entry:
    return _Entry(name, len(data), data)


def _entries(dataset: Dataset, sources: Mapping[str, Source], packs: Mapping[str, Path]) -> Iterator[_Entry]:
    for name, source in sources.items():
        if isinstance(source, bytes):
            yield _entry(name, source)
            continue
        content = packs[name] if isinstance(source, Pack) else _stored(dataset, source)
        yield _Entry(name, content.stat().st_size, content)


def _stored(dataset: Dataset, ref: ImageRef) -> Path:
    return dataset.lfs.path(ref.sha256)


def _write(run: Run, path: Path, kind: str, entries: list[_Entry]) -> None:
    """Write the archive durably."""
    with path.open("wb") as file:
        add = _zip_into if kind == "zip" else _tar_into
        for number, _ in enumerate(add(file, entries), 1):
            run.progress(f"export {run.export.name}", number, len(entries))
        file.flush()
        os.fsync(file.fileno())


def _zip_into(file: BinaryIO, entries: list[_Entry]) -> Iterator[None]:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name)  # from 1980
            info.create_system = 3
            info.external_attr = (0o100000 | _MODE) << 16
            info.file_size = entry.size_bytes
            with archive.open(info, "w") as target, _opened(entry) as source:
                shutil.copyfileobj(source, target, _COPY_BYTES)
            yield


def _tar_into(file: BinaryIO, entries: list[_Entry]) -> Iterator[None]:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)  # of nobody, from 1970
            info.size = entry.size_bytes
            info.mode = _MODE
            with _opened(entry) as source:
                archive.addfile(info, source)
            yield


def _opened(entry: _Entry) -> BinaryIO:
    return BytesIO(entry.content) if isinstance(entry.content, bytes) else entry.content.open("rb")
