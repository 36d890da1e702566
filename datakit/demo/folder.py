"""The folder that the demonstration lives in: made anew at each run, but never over somebody else's files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from datakit.errors import StateError, WriteError

MARKER: Final = ".dsk-demo"
_MARKER_TEXT: Final = "Made by `make demo`. The next run removes this folder and all that is in it.\n"


def fresh(folder: Path) -> Path:
    """An empty folder with the marker in it, as an absolute path.

    Raises:
        StateError: the folder holds something that the demonstration did not make.
        WriteError: it cannot be removed or made.
    """
    folder = folder.absolute()
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()) or _is_foreign(folder):
        raise StateError(
            f"{folder}: exists and was not made by the demonstration, so it is left alone",
            hint="name another folder: python -m datakit.demo --dir FOLDER",
        )
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        (folder / MARKER).write_text(_MARKER_TEXT, "utf-8")
    except OSError as error:
        raise WriteError(f"{error.filename or folder}: {error.strerror}") from error
    return folder


def _is_foreign(folder: Path) -> bool:
    return folder.is_dir() and not (folder / MARKER).is_file() and any(folder.iterdir())
