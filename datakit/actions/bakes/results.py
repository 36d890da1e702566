"""What the trainer leaves in a bake's folder, read: result.json, and which pictures stayed hard."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.bakes.ledger import Bake, Validated, without_nothing
from datakit.actions.exporting.manifests import decode_manifest
from datakit.actions.project import Project
from datakit.actions.trainerprogram import OURS
from datakit.errors import InputError

_RESULT: Final = "result.json"


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """result.json; paths are relative to its folder."""

    lora: str
    grid: str = ""
    samples: tuple[str, ...] = ()
    image_losses: str = ""
    images: int
    held_out: int = 0
    steps: int
    epochs: int = 0
    first_loss: float
    final_loss: float
    validation: tuple[Validated, ...] = ()
    started: str = ""
    seconds: float
    device: str
    versions: dict[str, str] = {}
    processes: int = 1
    seed: int | None = None
    weights_sha256: str = ""
    peak_memory_bytes: int = 0
    config: dict[str, Any] = {}


def _resolved(config: dict[str, Any]) -> dict[str, Any]:
    """The trainer's settings without those that are ours to set."""
    tables: dict[str, Any] = without_nothing(config)
    for section, keys in OURS.items():
        for key in keys:
            tables.get(section, {}).pop(key, None)
    return tables


def read_result(project: Project, folder: Path, manifest: bytes) -> Bake:
    """The bake whose folder this is.

    Raises:
        InputError: its result.json is none.
    """
    path = folder / _RESULT
    try:
        result = msgspec.json.decode(path.read_bytes(), type=_Result)
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: not what the trainer writes: {error}", hint="remove it, and bake again") from error
    data = decode_manifest(manifest)
    if data is None:
        raise InputError(f"{folder}/manifest.json: no manifest of an export", hint="bake again")
    shown = folder.relative_to(project.dataset.root).as_posix()

    def placed(name: str) -> str:
        return f"{shown}/{name}" if name else ""

    same = ("images", "held_out", "steps", "epochs", "first_loss", "final_loss", "started", "seconds", "device")
    also = ("versions", "seed", "processes", "weights_sha256", "peak_memory_bytes")
    return Bake(
        id=folder.name,
        commit=data.commit,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        lora=placed(result.lora),
        grid=placed(result.grid),
        samples=tuple(placed(name) for name in result.samples),
        image_losses=placed(result.image_losses),
        validation=result.validation[-1] if result.validation else None,
        resolved=_resolved(result.config),
        export=data.flags,
        **{name: getattr(result, name) for name in (*same, *also)},
    )
