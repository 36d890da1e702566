"""SHA-256 of large files, remembered by their size and time, so that asking costs nothing.

A tagger's weights have a gigabyte, and `dsk status` wants to know whether they are still the same. What was hashed is
kept in the user's cache folder: weights belong to no dataset. Who cannot write there hashes each time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

_KEPT: Final = 256
_SETTLED_S: Final = 2.0
"""A file that changed so recently may change again without its time telling."""


def sha256_of(path: Path) -> str:
    """64 hex digits.

    Raises:
        OSError: it cannot be read.
    """
    real = path.resolve()
    found = real.stat()
    stamp = [found.st_size, found.st_mtime_ns, found.st_ino]
    kept = _load()
    entry = kept.get(str(real))
    if isinstance(entry, list) and entry[:-1] == stamp and isinstance(entry[-1], str):
        return entry[-1]
    with real.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if time.time() - found.st_mtime > _SETTLED_S:
        kept.pop(str(real), None)
        _save({**dict(list(kept.items())[-_KEPT + 1 :]), str(real): [*stamp, digest]})
    return digest


def cache_folder() -> Path:
    """Where dsk may keep what belongs to no dataset."""
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "dsk"
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "dsk"
    home = Path("~").expanduser()
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "dsk"


def _file() -> Path:
    return cache_folder() / "digests.json"


def _load() -> dict[str, Any]:
    try:
        table = json.loads(_file().read_bytes())
    except (OSError, ValueError):
        return {}  # none yet, or damaged: it is written anew
    return table if isinstance(table, dict) else {}


def _save(table: dict[str, Any]) -> None:
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        descriptor, half = tempfile.mkstemp(dir=_file().parent, prefix="digests.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(table, file)
        Path(half).replace(_file())
    except OSError:
        return  # a full or read-only home costs time, not the command
