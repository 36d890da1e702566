"""Weights & Biases: the numbers and pictures of a run, in a project of the person's own.

Sent are the settings without the folders of this computer, the numbers, the pictures, and what the library says of the
computer's load. Source code, git state, terminal output and command line stay here.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from trainer.atomic import write_file
from trainer.errors import ConfigError, MissingExtraError

ID = "wandb-run.txt"
"""File in the output folder with the run's id there, so that a run that goes on is the same one."""


class Wandb:
    """A sink that sends to a project, `<name>` or `<entity>/<name>`."""

    def __init__(self, project: str, output: Path, *, name: str, settings: Mapping[str, Any], step: int) -> None:
        """Begins a run, or goes on with that of the folder where `step` is above 0.

        Raises MissingExtraError, and ConfigError where the library refuses.
        """
        self._wandb = _library()
        entity, _, own = project.rpartition("/")
        try:
            self._run = self._wandb.init(
                project=own,
                entity=entity or None,
                dir=str(output),
                name=name,
                id=_id(output / ID, is_new=not step),
                resume="allow",
                config=dict(settings),
                save_code=False,
                settings=self._wandb.Settings(
                    console="off", disable_git=True, disable_code=True, x_disable_meta=True, x_save_requirements=False
                ),
            )
        except self._wandb.Error as error:
            raise ConfigError(
                f"log.wandb: {error}", hint="log in with `wandb login`, or set WANDB_MODE=offline and sync later"
            ) from None

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Nothing where the step is known there: redone after a stop, it is the same to the bit."""
        self._log(step, dict(values))

    def picture(self, step: int, name: str, path: Path) -> None:
        """Likewise."""
        with Image.open(path) as picture:
            self._log(step, {name: self._wandb.Image(picture.convert("RGB"))})

    def flush(self) -> None:
        """Nothing: the library hands everything to a process of its own at once."""

    def close(self) -> None:
        """Waits until all is sent."""
        self._run.finish()

    def _log(self, step: int, values: dict[str, Any]) -> None:
        if step >= self._run.step:
            self._run.log(values, step=step)


def _library() -> Any:
    try:
        import wandb
    except ImportError:
        raise MissingExtraError(
            "log.wandb: the library wandb is not installed", hint='pip install "dsk[logs]", or leave log.wandb out'
        ) from None
    return wandb


def _id(path: Path, *, is_new: bool) -> str:
    known = "" if is_new or not path.is_file() else path.read_text("utf-8").strip()
    if known:
        return known
    made = secrets.token_hex(4)
    write_file(path, made.encode())
    return made
