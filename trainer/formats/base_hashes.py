"""The hashes by which viewers know a checkpoint: A1111's old short one and the whole sha256.

kohya-ss/sd-scripts:library/train_util.py (model_hash, calculate_sha256).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

_START, _BYTES = 0x100000, 0x10000


def old_hash(path: Path) -> str:
    """First 8 hex digits of the sha256 of 64 KiB at 1 MiB. Raises OSError."""
    with path.open("rb") as file:
        file.seek(_START)
        return hashlib.sha256(file.read(_BYTES)).hexdigest()[:8]


def new_hash(path: Path) -> str:
    """Hex sha256 of the file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def facts(path: Path, kind: str) -> dict[str, str]:
    """`<kind>_name`, `<kind>_hash`, `new_<kind>_hash`; the name alone of a folder, or of what has gone meanwhile."""
    named = {f"{kind}_name": path.name}
    if not path.is_file():
        return named
    try:
        return {f"{kind}_hash": old_hash(path), f"new_{kind}_hash": new_hash(path), **named}
    except OSError:
        # Hours of training are not lost for a label.
        return named
