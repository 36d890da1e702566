"""What a finished run leaves for others to read: `result.json` and the facts inside the LoRA file."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

import msgspec

from trainer.atomic import write_file
from trainer.contracts import Adapter, Objective
from trainer.data.items import Dataset
from trainer.formats.lora_metadata import Bake
from trainer.formats.lora_metadata import metadata as lora_metadata
from trainer.plan import Plan

_REPORTED = ("dsk", "torch", "diffusers", "transformers", "safetensors", "numpy", "pillow")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`result.json`; paths are relative to its folder, losses are of single steps."""

    lora: str
    grid: str
    steps: int
    epochs: int
    first_loss: float
    final_loss: float
    seconds: float
    images: int
    device: str
    versions: dict[str, str]


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


def bake_facts(
    plan: Plan, dataset: Dataset, *, kinds: tuple[Objective, Adapter], times: tuple[float, float]
) -> dict[str, str]:
    """The LoRA file's metadata; `times` are when it finished and how many seconds it trained."""
    finished, seconds = times
    return lora_metadata(
        Bake(
            config=plan.config,
            family=plan.family,
            objective=kinds[0],
            adapter=kinds[1],
            dataset=dataset,
            started_s=finished - seconds,
            finished_s=finished,
            steps=plan.steps,
            epochs=plan.epochs,
            batches_per_epoch=plan.batches_per_epoch,
        )
    )
