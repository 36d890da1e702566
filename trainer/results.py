"""What a finished run leaves for others to read: `result.json` and the facts inside the LoRA file."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

import msgspec

from trainer.assembling import Assembled, adapter_settings
from trainer.atomic import write_file
from trainer.formats.bake import Bake
from trainer.formats.lora_metadata import metadata as metadata_of
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


def facts(plan: Plan, parts: Assembled, *, finished_s: float, seconds: float) -> dict[str, str]:
    """The result's metadata; `finished_s` is when it finished (Unix time), `seconds` how long it trained."""
    return metadata_of(
        Bake(
            config=plan.config,
            family=plan.family,
            objective=parts.oven.recipe.objective,
            zero_terminal_snr=plan.zero_terminal_snr,
            adapter=parts.kind,
            settings=adapter_settings(plan.config),
            dataset=parts.dataset,
            started_s=finished_s - seconds,
            finished_s=finished_s,
            steps=plan.steps,
            epochs=plan.epochs,
            batches_per_epoch=plan.batches_per_epoch,
        )
    )
