"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from trainer.errors import StateError, WriteError


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(f"{path}: cannot be written ({reason})", hint="check free space and permissions") from error


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders, and needs no sync of them.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Makes the folder and those above it. Raises WriteError."""
    with _told(path):
        path.mkdir(parents=True, exist_ok=True)


def refuse_existing(folder: Path) -> None:
    """Raises StateError where something is in the folder, or a file has its name."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise StateError(f"{folder}: is there already", hint="name a new folder, or remove this one")


def write_file(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Writes beside, syncs if `durable`, and renames into place. Raises WriteError."""
    write_pieces(path, [content], durable=durable)


def write_pieces(path: Path, pieces: Iterable[bytes | memoryview], *, durable: bool = True) -> None:
    """As `write_file`, of pieces that are made one at a time. Raises WriteError, and what making them raises."""
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        if durable:
            _sync(path.parent)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Writes all files into a folder beside, syncs them, and renames it into place; replaces an old one."""
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            for name, content in files.items():
                (beside / name).write_bytes(content)
                _sync(beside / name)
            _sync(beside)
            beside.chmod(0o755)
            if path.exists():
                shutil.rmtree(path)
            beside.rename(path)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        _sync(path.parent)


def remove_file(path: Path) -> None:
    """Removes a file, if it is there. Raises WriteError."""
    with _told(path):
        path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Removes a folder and all in it. Raises WriteError."""
    with _told(path):
        shutil.rmtree(path)


def remove_leftovers(folder: Path, name: str) -> None:
    """Removes what a killed process left half written in this folder of files called like `name`."""
    with _told(folder):
        for path in folder.glob(f".{name}.????????"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
