"""Checkpoints: all that a run needs to go on as if it had never stopped.

A checkpoint is a folder `step-<number>` with the adapter, the optimizer and the average as safetensors and the rest
as JSON. Since every random draw is seeded by what it is for, the step alone is the data position and the state
of every generator. A checkpoint is written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from trainer.atomic import remove_folder, remove_leftovers, write_folder
from trainer.errors import StateError

FORMAT = 2


@dataclass(frozen=True)
class Progress:
    """How far a run has come, and what it is a run of."""

    step: int
    """Optimizer updates done."""
    losses: tuple[float, float]
    """Of the first step and of the last one done."""
    seconds: float
    """Spent in steps, over all sittings."""
    settings: dict[str, Any]
    """All that decides the weights, by name; a run goes on only from the same."""
    watch: dict[str, Any] = field(default_factory=dict)
    """What whoever watches the loss must remember; JSON."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read."""

    progress: Progress
    tensors: dict[str, dict[str, torch.Tensor]]
    """By what they are of: adapter, optimizer, ema."""
    numbers: dict[str, Any]
    """What those must remember beside their tensors; JSON."""


class _Files(Mapping[str, bytes]):
    """The files of a checkpoint, each made when it is written: not all of them fit into memory at once."""

    def __init__(self, tensors: Mapping[str, Mapping[str, torch.Tensor]], progress: bytes) -> None:
        self._tensors = {f"{name}.safetensors": own for name, own in tensors.items()}
        self._progress = progress

    def __getitem__(self, name: str) -> bytes:
        return _safetensors(self._tensors[name]) if name in self._tensors else self._progress

    def __iter__(self) -> Iterator[str]:
        return iter([*self._tensors, "progress.json"])

    def __len__(self) -> int:
        return len(self._tensors) + 1


def save(
    folder: Path,
    progress: Progress,
    tensors: Mapping[str, Mapping[str, torch.Tensor]],
    numbers: Mapping[str, Any],
) -> Path:
    """Writes the checkpoint of this step into `folder`; `numbers` is JSON. Raises WriteError."""
    path = folder / f"step-{progress.step:08d}"
    remove_leftovers(folder, "step-*")
    head = {"format": FORMAT, "files": sorted(tensors), **asdict(progress)}
    told = json.dumps(head, indent=2).removesuffix("\n}")
    # On one line: there are thousands of them, for no person to read.
    told += f',\n  "numbers": {json.dumps(numbers)}\n}}\n'
    write_folder(path, _Files(tensors, told.encode()))
    return path


def latest(folder: Path) -> Checkpoint | None:
    """The checkpoint of the highest step in `folder`, or None. Raises StateError where it cannot be read."""
    paths = _paths(folder)
    return _read(paths[-1]) if paths else None


def is_none(folder: Path) -> bool:
    """Whether there is no checkpoint in `folder`."""
    return not _paths(folder)


def prune(folder: Path, keep: int) -> None:
    """Removes all but the last `keep` checkpoints."""
    for path in _paths(folder)[:-keep]:
        remove_folder(path)


def discard(folder: Path) -> None:
    """Removes every checkpoint."""
    for path in _paths(folder):
        remove_folder(path)


def refuse_other(progress: Progress, settings: Mapping[str, Any], *, folder: Path) -> None:
    """Raises StateError, naming the differences, where the checkpoint belongs to another run."""
    before = progress.settings
    changed = [
        f"{name} was {before.get(name)!r}, is {settings.get(name)!r}"
        for name in sorted({*before, *settings})
        if before.get(name) != settings.get(name)
    ]
    if changed:
        told = "; ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        raise StateError(
            f"{folder}: its checkpoint at step {progress.step} is of another run: {told}",
            hint="give this run its own output.dir, or throw the checkpoint away with --restart",
        )


def _safetensors(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """The file's content; tensors may share memory, which the format refuses."""
    places: set[int] = set()
    own = {}
    for name, tensor in tensors.items():
        here = tensor.detach().cpu().contiguous()
        own[name] = here.clone() if here.untyped_storage().data_ptr() in places else here
        places.add(own[name].untyped_storage().data_ptr())
    return safetensors.torch.save(own)


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def _read(path: Path) -> Checkpoint:
    hint = "remove this folder to go on from the one before"
    try:
        data = json.loads((path / "progress.json").read_bytes())
        if data.pop("format", None) != FORMAT:
            raise StateError(f"{path}: the checkpoint is of another version of this program", hint=hint)
        tensors = {name: safetensors.torch.load_file(path / f"{name}.safetensors") for name in data.pop("files")}
        numbers = data.pop("numbers")
        progress = Progress(**{**data, "losses": tuple(data["losses"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise StateError(f"{path}: the checkpoint cannot be read ({error})", hint=hint) from None
    return Checkpoint(progress, tensors, numbers)
