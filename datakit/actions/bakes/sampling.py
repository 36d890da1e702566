"""dsk sample: pictures with and without what a bake made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datakit.actions.bakes.ledger import find_bake
from datakit.actions.project import Project
from datakit.actions.trainerprogram import CONFIG, require_trainer, run_trainer
from datakit.errors import StateError


def sample(project: Project, wanted: str, prompts: Sequence[str], *, seed: int | None, out: Path | None) -> Path:
    """Draw pictures with and without what a bake made; returns the grid's path.

    Raises:
        UsageError: no such bake.
        StateError: none at all, or its weights are not in this clone.
    """
    require_trainer()
    done = find_bake(project, wanted)
    lora = project.dataset.root / done.lora
    config = lora.parent / CONFIG
    if not lora.exists() or not config.is_file():
        hint = f"dsk bake --repeat {done.id} makes them again"
        raise StateError(f"{done.lora}: the weights of bake {done.id} are not here", hint=hint)
    target = out or _free_name(lora.parent / "samples")
    options = [part for prompt in prompts for part in ("--prompt", prompt)]
    options += ["--seed", str(seed)] if seed is not None else []
    run_trainer(["sample", str(config), "--lora", str(lora), "--out", str(target), *options])
    return target


def _free_name(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while (path := folder / f"sample-{number:02d}.png").exists():
        number += 1
    return path
