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

from datakit.actions.project import BAKE, PRESET, Project
from datakit.config import CONFIG_NAME
from datakit.errors import ConfigError, TrainerError
from datakit.model.order import EXPORT

FORMAT: Final = "kohya"
"""The export that it is fed with."""
INTERRUPTED: Final = 130
_NEEDS: Final = ("torch", "diffusers", "transformers", "safetensors", "lycoris")
_STDERR: Final = 2
CONFIG: Final = "config.toml"
"""The TOML of a run that it is given, in a folder of ours."""
_ENCODED: Final = "encoded"
"""Folder of cached latents and text states, below `.dsk`."""
PLACES: Final = (("model", "base"), ("model", "vae"), ("sample", "prompt_file"))
"""Settings that name a file of the person's."""
EMBEDDED: Final = ("dsk-tiny",)
"""Base models that come with the trainer: names, not files."""
OURS: Final = {"dataset": ("cache", "config", "reg_dir", "train_dir"), "output": ("dir", "name")}
"""Section → keys that are not a person's to set: dsk bakes its own export, and bakes/ lists the results."""


class InterruptedBakeError(TrainerError):
    """Ctrl-C; the trainer saved what it had."""

    exit_code = INTERRUPTED


def require_trainer() -> None:
    """Raises TrainerError where a package that training needs is not installed."""
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainerError(f"the trainer needs {', '.join(missing)}", hint="pip install 'dsk[train]'")


def trainer_settings(project: Project, asked: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """[bake], or what is `asked` in its place, as the trainer gets it.

    Its paths are meant from the dataset's root; the data and its cache are ours.

    Raises:
        ConfigError: it says what is not a person's to say.
    """
    given = project.table(BAKE) if asked is None else asked
    tables: dict[str, Any] = {name: dict(table) for name, table in given.items() if isinstance(table, Mapping)}
    root = project.dataset.root
    for section, key in PLACES:
        path = str(tables.get(section, {}).get(key, ""))
        if path and path not in EMBEDDED:
            # Lets the home of nobody stand: the trainer says that it is not there.
            tables[section][key] = str(root / os.path.expanduser(path))  # noqa: PTH111
    own = {"config": str(root / EXPORT / FORMAT / "dataset.toml"), "cache": str(project.dataset.private / _ENCODED)}
    for section, keys in OURS.items():
        if ours := [key for key in keys if key in tables.get(section, {})]:
            hint = "dsk bakes its own export" if section == "dataset" else "bakes/ lists the results"
            raise ConfigError(f"{CONFIG_NAME} [{BAKE}.{section}]: '{ours[0]}' is not yours to set", hint=hint)
    preset = {PRESET: given[PRESET]} if given.get(PRESET) else {}
    said = {**project.table(EXPORT), **project.table(EXPORT).get(FORMAT, {})}.get("batch_size")
    if said == 1:  # The export does not write it, and a memory plan would take as many as fit.
        tables["train"] = {"batch_size": said, **tables.get("train", {})}
    return {**preset, **tables, "dataset": {**tables.get("dataset", {}), **own}}


def toml_of(tables: Mapping[str, Any]) -> str:
    """The tables as TOML."""
    import tomlkit

    return tomlkit.dumps(tables)


def run_trainer(arguments: Sequence[str], *, is_result: bool = False) -> None:
    """Run the trainer in the foreground; it hears Ctrl-C itself, and termination is passed on to it.

    Its words go to standard error, for they are no result of ours, unless `is_result`.

    Raises:
        InterruptedBakeError: it was stopped and saved its state.
        TrainerError: it failed, with its own exit code; it has told why on the terminal.
    """
    process = subprocess.Popen(_command(arguments), stdout=None if is_result else _STDERR)

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
    _refuse(code)


def ask_trainer(arguments: Sequence[str]) -> bytes:
    """What the trainer answers on standard output.

    Raises:
        TrainerError: it failed, with its own exit code; it has told why on the terminal.
    """
    done = subprocess.run(_command(arguments), stdout=subprocess.PIPE, check=False)
    _refuse(done.returncode)
    return done.stdout


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "trainer", *arguments]


def _refuse(code: int) -> None:
    """Turn the trainer's exit code into an error, unless all went well."""
    if code == INTERRUPTED:
        raise InterruptedBakeError("the bake was stopped")
    if code != 0:
        error = TrainerError(f"the trainer stopped (exit code {code}); its reason is above")
        error.exit_code = code if 0 < code < 128 else TrainerError.exit_code  # type: ignore[misc]
        raise error
