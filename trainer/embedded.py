"""Base models that come with the trainer, named in `[model] base` like a path."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

_PLACE = "assets"


def names() -> tuple[str, ...]:
    """Their names, sorted."""
    return tuple(sorted(folder.name for folder in _folders()))


def path_of(name: str) -> Path | None:
    """The folder in diffusers' layout of the model of that name; None where there is none."""
    return next((folder for folder in _folders() if folder.name == name), None)


def _folders() -> list[Path]:
    place = Path(str(resources.files("trainer.families").joinpath(_PLACE)))
    return [index.parent for index in place.glob("*/model_index.json")]
