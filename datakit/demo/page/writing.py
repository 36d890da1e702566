"""Writes the page: gathered, made, and put into its place whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from datakit.demo.page.document import page
from datakit.demo.page.gathering import gather
from datakit.errors import WriteError

PAGE: Final = "index.html"


@dataclass(frozen=True)
class Written:
    """The page on the disk."""

    path: Path
    size_bytes: int


def write_page(home: Path) -> Written:
    """Make the page of the demonstration in `home`, over the one that is there.

    Raises:
        InputError: there is no dataset in the folder.
        WriteError: the file cannot be written.
    """
    data = page(gather(home)).encode("utf-8", "replace")
    path = home.absolute() / PAGE
    draft = path.with_name(f".{PAGE}.{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise WriteError(f"{path}: {error.strerror}", hint="check free space and permissions") from error
    return Written(path, len(data))
