"""The trainer as a program: what it is told, how it is started, what its exit codes mean."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any, Final

from datakit.actions.project import BAKE, Project
from datakit.config import CONFIG_NAME
from datakit.errors import ConfigError, TrainerError
from datakit.model.order import EXPORT

FORMAT: Final = "kohya"
"""The export that it is fed with."""
INTERRUPTED: Final = 130
_NEEDS: Final = ("torch", "diffusers", "transformers", "safetensors", "lycoris")
_STDERR: Final = 2
_ENCODED: Final = "encoded"
"""Folder of cached latents and text states, below `.dsk`."""
_PATHS: Final = frozenset({"base", "vae"})


class InterruptedBakeError(TrainerError):
    """Ctrl-C; the trainer saved what it had."""

    exit_code = INTERRUPTED


def require_trainer() -> None:
    """Raises TrainerError where a package that training needs is not installed."""
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainerError(f"the trainer needs {', '.join(missing)}", hint="pip install 'dsk[train]'")


def trainer_settings(project: Project) -> dict[str, Any]:
    """[bake] as the trainer gets it: its paths are meant from the dataset's root; the data and its cache are ours."""
    tables = {name: project.table(BAKE, name) for name in project.table(BAKE)}
    root = project.dataset.root
    for key in _PATHS & set(tables.get("model", {})):
        if given := str(tables["model"][key]):
            # Lets the home of nobody stand: the trainer says that it is not there.
            tables["model"][key] = str(root / os.path.expanduser(given))  # noqa: PTH111
    own = {"config": str(root / EXPORT / FORMAT / "dataset.toml"), "cache": str(project.dataset.private / _ENCODED)}
    if ours := sorted({*own, "train_dir", "reg_dir"} & set(tables.get("dataset", {}))):
        where = f"{CONFIG_NAME} [{BAKE}.dataset]"
        raise ConfigError(f"{where}: '{ours[0]}' is not yours to set", hint="dsk bakes its own export")
    if ours := sorted({"dir", "name"} & set(tables.get("output", {}))):
        where = f"{CONFIG_NAME} [{BAKE}.output]"
        raise ConfigError(f"{where}: '{ours[0]}' is not yours to set", hint="bakes/ lists the results")
    return {**tables, "dataset": {**tables.get("dataset", {}), **own}}


def toml_of(tables: Mapping[str, Any]) -> str:
    """The tables as TOML."""
    import tomlkit

    return tomlkit.dumps(tables)


def run_trainer(arguments: Sequence[str]) -> None:
    """Run the trainer in the foreground; it hears Ctrl-C itself, and termination is passed on to it.

    Its words go to standard error, for they are no result of ours.

    Raises:
        InterruptedBakeError: it was stopped and saved its state.
        TrainerError: it failed, with its own exit code; it has told why on the terminal.
    """
    process = subprocess.Popen([sys.executable, "-m", "trainer", *arguments], stdout=_STDERR)

    def pass_on(number: int, frame: FrameType | None) -> None:
        del frame
        if number != signal.SIGINT:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if code == INTERRUPTED:
        raise InterruptedBakeError("the bake was stopped")
    if code != 0:
        error = TrainerError(f"the trainer stopped (exit code {code}); its reason is above")
        error.exit_code = code if 0 < code < 128 else TrainerError.exit_code  # type: ignore[misc]
        raise error
