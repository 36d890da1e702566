"""Checkpoints: all that a run needs to go on as if it had never stopped.

A checkpoint is a folder `step-<number>` with the adapter and the optimizer as safetensors and the rest as
JSON. Since every random draw is seeded by what it is for, the step alone is the data position and the state
of every generator. A checkpoint is written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from trainer.atomic import remove_folder, remove_leftovers, write_folder
from trainer.errors import StateError

FORMAT = 1


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


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read."""

    progress: Progress
    adapter: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]


def save(
    folder: Path, progress: Progress, *, adapter: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> Path:
    """Writes the checkpoint of this step into `folder`. Raises WriteError."""
    path = folder / f"step-{progress.step:08d}"
    remove_leftovers(folder, "step-*")
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in adapter.items()}
    write_folder(
        path,
        {
            "adapter.safetensors": safetensors.torch.save(own),
            "optimizer.safetensors": safetensors.torch.save(_flat(optimizer)),
            "progress.json": json.dumps({"format": FORMAT, **asdict(progress)}, indent=2).encode(),
        },
    )
    return path


def latest(folder: Path) -> Checkpoint | None:
    """The checkpoint of the highest step in `folder`, or None. Raises StateError where it cannot be read."""
    paths = _paths(folder)
    return _read(paths[-1]) if paths else None


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


def restore(optimizer: torch.optim.Optimizer, flat: Mapping[str, torch.Tensor]) -> None:
    """Puts saved optimizer tensors back; the inverse of what `save` does."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in flat.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{number}.{key}": value.detach().cpu().contiguous()
        for number, entries in optimizer.state_dict()["state"].items()
        for key, value in entries.items()
    }


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def _read(path: Path) -> Checkpoint:
    hint = "remove this folder to go on from the one before"
    try:
        data = json.loads((path / "progress.json").read_bytes())
        adapter = safetensors.torch.load_file(path / "adapter.safetensors")
        optimizer = safetensors.torch.load_file(path / "optimizer.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise StateError(f"{path}: the checkpoint cannot be read ({error})", hint=hint) from None
    if data.pop("format", None) != FORMAT:
        raise StateError(f"{path}: the checkpoint is of another version of this program", hint=hint)
    data["losses"] = tuple(data["losses"])
    return Checkpoint(Progress(**data), adapter, optimizer)
