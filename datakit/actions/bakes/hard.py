"""dsk bakes losses: the pictures that stayed hard, by the names that they have in the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from datakit.actions.bakes.exported import export_of
from datakit.actions.bakes.ledger import Bake, find_bake
from datakit.actions.exporting.manifests import decode_manifest
from datakit.actions.project import Project
from datakit.errors import InputError, StateError
from datakit.exports.model import MANIFEST_NAME

_PARTS: Final = 2
"""Of a path: the subset's folder and the file."""


class HardImage(msgspec.Struct, frozen=True, kw_only=True):
    """How hard one picture was, beside the others at the same noise levels."""

    rank: int
    """1 is the hardest."""
    item: str = ""
    """Its key in the dataset; '' where the export's manifest does not name it."""
    path: str
    """As the trainer names it."""
    caption: str = ""
    sha256: str = ""
    draws: int
    ratio: float
    """Its loss, times that of the middle picture."""
    late_ratio: float | None = None
    """The same over the second half of the bake."""
    z: float
    """How far off, in standard deviations; above 3 is no accident."""


class _Table(msgspec.Struct, frozen=True):
    """The trainer's image-losses.json."""

    images: tuple[HardImage, ...]


class HardImages(msgspec.Struct, frozen=True):
    """The pictures of a bake, the hardest first."""

    bake: Bake
    images: tuple[HardImage, ...]


def hard_images(project: Project, wanted: str = "") -> HardImages:
    """The pictures of a bake (default: the newest) by their losses.

    Raises:
        UsageError: no such bake.
        StateError: its losses are not in this clone.
        InputError: the file is not what the trainer writes.
    """
    done = find_bake(project, wanted)
    path = project.dataset.root / done.image_losses
    if not done.image_losses or not path.is_file():
        where = done.image_losses or "its ledger file names none"
        hint = f"dsk bake --repeat {done.id} makes them again"
        raise StateError(f"bake {done.id}: no losses of pictures here ({where})", hint=hint)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Table).images
    except msgspec.DecodeError as error:
        hint = f"dsk bake --repeat {done.id} makes them again"
        raise InputError(f"{path}: not what the trainer writes: {error}", hint=hint) from error
    keys = _keys(project, done)
    return HardImages(done, tuple(msgspec.structs.replace(one, item=_item(one.path, keys)) for one in found))


def _keys(project: Project, done: Bake) -> dict[tuple[str, ...], str]:
    """The last parts of a picture's path in the export → its item."""
    own = (project.dataset.root / done.lora).parent / MANIFEST_NAME
    manifest = decode_manifest(own.read_bytes()) if own.is_file() else None
    if manifest is None:
        exported = export_of(project.dataset, done)
        manifest = exported.manifest if exported else None
    items = manifest.items if manifest else {}
    return {_tail(path): key for key, path in items.items()}


def _item(path: str, keys: dict[tuple[str, ...], str]) -> str:
    return keys.get(_tail(path), "")


def _tail(path: str) -> tuple[str, ...]:
    return Path(path).parts[-_PARTS:]
