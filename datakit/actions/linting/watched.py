"""Whether any file that lint reads changed: by names, sizes and times, nothing is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from datakit.actions.linting.folders import walk
from datakit.actions.linting.places import Place
from datakit.actions.linting.stages import STAGES_OF_IMAGES
from datakit.config import CONFIG_NAME
from datakit.errors import InputError
from datakit.lint.settings import FOLDER_CONFIG
from datakit.repo.vocabularies import VOCAB

Stamp = frozenset[tuple[str, int, int]]
_SETTINGS: Final = (CONFIG_NAME, FOLDER_CONFIG)


def stamp_of(place: Place, *, but: Path | None = None) -> Stamp:
    """(path, size, time) of every file that a run would look at, `but` for the one that it writes itself."""
    folders = [place.root / name for name in (*STAGES_OF_IMAGES, VOCAB)] if place.project else [place.root]
    rows = {
        (str(folder / path), stat.st_size, stat.st_mtime_ns)
        for folder in folders
        for path, stat in _below(folder)
        if folder / path != but
    }
    for name in _SETTINGS:
        try:
            stat = (place.root / name).stat()
        except OSError:
            continue
        rows.add((name, stat.st_size, stat.st_mtime_ns))
    return frozenset(rows)


def _below(folder: Path) -> list[tuple[str, os.stat_result]]:
    try:
        return list(walk(folder))
    except InputError:
        return []  # a stage that is not there yet, or a folder that was renamed: it is looked at again
