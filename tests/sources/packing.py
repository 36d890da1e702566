"""Archives as people and attackers make them, for tests."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from datakit.sources.folders.walk import Folder

MOMENT_S = 1_500_000_000


def make_zip(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as bundle:
        for name, data in files.items():
            bundle.writestr(zipfile.ZipInfo(name, (2017, 7, 14, 2, 40, 0)), data, method)
    return path


def make_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as bundle:  # type: ignore[call-overload]
        for name, data in files.items():
            add(bundle, name, data)
    return path


def add(
    bundle: tarfile.TarFile, name: str, data: bytes = b"", *, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> None:
    row = tarfile.TarInfo(name)
    row.size, row.mtime, row.type, row.linkname = len(data), MOMENT_S, kind, link
    bundle.addfile(row, io.BytesIO(data))


def reasons(folder: Folder) -> dict[str, str]:
    return {one.path: one.reason for one in folder.odd}


def contents(folder: Folder) -> dict[str, bytes]:
    return {path: file.read_bytes() for path, file in folder.files.items() if file.exists()}
