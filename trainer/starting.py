"""What every command does before it works: the heavy libraries, and whom progress is told."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

import click

from trainer.errors import MissingExtraError

if TYPE_CHECKING:
    from trainer.progress import Reporter


def reporter() -> Reporter:
    """A live display on a terminal, lines elsewhere."""
    from trainer.progress import PlainReporter, RichReporter

    return RichReporter() if sys.stdout.isatty() else PlainReporter(click.echo)


def require_extra() -> None:
    """Imports the heavy libraries, offline and without their chatter. Raises MissingExtraError."""
    # Threads that spin while they wait make a shared CPU fifty times slower; read once, when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        for name in ("torch", "diffusers", "transformers", "safetensors"):
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"training needs {error.name}, which is not installed", hint="pip install 'dsk[train]'"
        ) from None
