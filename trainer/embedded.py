"""Base models that come with the trainer, named in `[model] base` like a path."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

_PLACE = "assets"


def path_of(name: str) -> Path | None:
    """The folder in diffusers' layout of the model of that name; None where there is none."""
    place = Path(str(resources.files("trainer.families").joinpath(_PLACE)))
    return next((index.parent for index in place.glob("*/model_index.json") if index.parent.name == name), None)
