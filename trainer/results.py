"""What a finished run leaves for others to read: `result.json` and the facts inside the LoRA file."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import torch

from trainer import imagelosses, products
from trainer.assembling import Assembled, adapter_settings
from trainer.atomic import write_file
from trainer.diary import STEPS, VALIDATION
from trainer.formats.bake import Bake
from trainer.formats.lora_metadata import metadata as metadata_of
from trainer.formats.origin import portable
from trainer.losslog import read_rows
from trainer.plan import Plan
from trainer.state import Progress

_FEW_STEPS = 50
_REPORTED = ("dsk", "torch", "diffusers", "transformers", "safetensors", "numpy", "pillow")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`result.json`; paths are relative to its folder."""

    lora: str
    grid: str
    samples: tuple[str, ...]
    """The sheet that grew while it trained, where one did."""
    steps: int
    epochs: int
    first_loss: float
    """Mean of the first steps, as many as `final_loss` is of."""
    final_loss: float
    """Mean of the last quarter of the steps, of 50 at most."""
    validation: tuple[dict[str, float], ...]
    """Rows of validation.jsonl."""
    image_losses: str
    """Which pictures stayed hard."""
    weights_sha256: str
    """Of the result's numbers, not of its header."""
    seconds: float
    """In steps, over all sittings."""
    started: str
    """When the last sitting's first step would have begun, had there been one sitting; ISO 8601, UTC."""
    images: int
    held_out: int
    seed: int
    device: str
    processes: int
    peak_memory_bytes: int
    """Of the first GPU; 0 on a CPU."""
    versions: dict[str, str]
    config: dict[str, Any]
    """Every setting as it was, with what was left to us decided, without the folders of this computer."""


def write(path: Path, result: Result) -> None:
    """Writes it. Raises WriteError."""
    write_file(path, msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")


def versions() -> dict[str, str]:
    """Of Python and each library that has a say in the numbers."""
    found = {"python": platform.python_version()}
    for name in _REPORTED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def make(plan: Plan, parts: Assembled, *, progress: Progress, made: Path, picture: Path) -> Result:
    """All of it, from what the run wrote down. Raises WriteError."""
    oven, folder = parts.oven, plan.output
    # A person may have removed the log of a run that goes on.
    losses = [float(row["loss"]) for row in read_rows(folder / STEPS)] or list(progress.losses)
    most = max(1, min(_FEW_STEPS, len(losses) // 4))
    grid = folder / "samples" / "grid.png"
    hard = imagelosses.write(folder, oven.items, root=plan.path.parent)
    return Result(
        lora=made.relative_to(folder).as_posix(),
        grid=picture.relative_to(folder).as_posix(),
        samples=(grid.relative_to(folder).as_posix(),) if grid.is_file() else (),
        steps=progress.step,
        epochs=plan.epochs,
        first_loss=fmean(losses[:most]),
        final_loss=fmean(losses[-most:]),
        validation=tuple(read_rows(folder / VALIDATION)),
        image_losses=hard.relative_to(folder).as_posix(),
        weights_sha256=products.weights_sha256(made),
        seconds=round(progress.seconds, 3),
        started=_utc(made.stat().st_mtime - progress.seconds),
        images=len(oven.items),
        held_out=len(plan.dataset.items) - len(plan.trained),
        seed=plan.config.train.seed,
        device=_device_name(oven.model.device),
        processes=oven.processes.count,
        peak_memory_bytes=_peak(oven.model.device),
        versions=versions(),
        config=portable(plan.config),
    )


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def facts(plan: Plan, parts: Assembled, *, finished_s: float, progress: Progress) -> dict[str, str]:
    """The result's metadata; `finished_s` is when it finished (Unix time)."""
    return metadata_of(
        Bake(
            config=plan.config,
            family=plan.family,
            objective=parts.oven.recipe.objective,
            zero_terminal_snr=plan.zero_terminal_snr,
            adapter=parts.kind,
            settings=adapter_settings(plan.config),
            dataset=parts.dataset,
            started_s=finished_s - progress.seconds,
            finished_s=finished_s,
            steps=progress.step,
            epochs=-(-progress.step // plan.steps_per_epoch),
            total_steps=plan.steps,
            total_epochs=plan.epochs,
            batches_per_epoch=plan.batches_per_epoch,
        )
    )
