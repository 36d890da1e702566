"""Every error that a person can cause or cure; one handler, in the CLI, prints them.

    TrainerError                  exit code
    ├── ConfigError           3   the run's TOML is wrong
    ├── InputError            6   a file that was to be read is missing, unreadable or malformed
    │   ├── DatasetError      6   the dataset TOML, an image or a caption
    │   ├── BaseModelError    6   the base model's folder
    │   └── LoraFileError     6   an adapter's file
    ├── WriteError            7   the disk or its permissions refuse
    ├── StateError            8   the output folder holds another run
    ├── DivergedError        10   the loss is no longer a number
    ├── MissingExtraError    11   a library of the `train` extra is not installed
    ├── OutOfMemoryError     12   the GPU's memory, or the computer's, was not enough
    ├── LostProcessError     13   another process of the same run has failed
    └── InterruptedRun      130   Ctrl-C or a termination signal, state saved

Exit code 2 is a misspelt command (click's own).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class TrainerError(Exception):
    """A failure told in one line: what happened, to which file, and in `hint` what to do."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(TrainerError):
    """The run's TOML is wrong."""

    code = "config"
    exit_code = 3


class InputError(TrainerError):
    """A file that was to be read is missing, unreadable or malformed."""

    code = "input"
    exit_code = 6


class DatasetError(InputError):
    """The dataset TOML, an image or a caption cannot be used."""

    code = "dataset"


class BaseModelError(InputError):
    """The base model's folder cannot be used."""

    code = "base-model"


class LoraFileError(InputError):
    """An adapter's file cannot be used."""

    code = "lora-file"


class WriteError(TrainerError):
    """The disk or its permissions refuse."""

    code = "write"
    exit_code = 7


class StateError(TrainerError):
    """The output folder holds the state of another run."""

    code = "state"
    exit_code = 8


class DivergedError(TrainerError):
    """The loss is no longer a number."""

    code = "diverged"
    exit_code = 10


class MissingExtraError(TrainerError):
    """A library that only training needs is not installed."""

    code = "missing-extra"
    exit_code = 11


class OutOfMemoryError(TrainerError):
    """The GPU's memory, or the computer's, was not enough."""

    code = "out-of-memory"
    exit_code = 12


class LostProcessError(TrainerError):
    """Another process of the run has ended, or cannot be reached."""

    code: ClassVar[str] = "lost-process"
    exit_code: ClassVar[int] = 13


class InterruptedRun(TrainerError):  # noqa: N818 - not a mistake, a request that was obeyed
    """A signal asked the run to stop; what it had done is saved."""

    code = "interrupted"
    exit_code = 130


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence for a hint: the known word most like `word`, or all of them when none is."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return "known: " + ", ".join(names) if names else ""


def some(names: Iterable[str], *, limit: int = 5) -> str:
    """The first `limit` names joined by commas, and how many more there are."""
    listed = list(names)
    more = len(listed) - limit
    return ", ".join(listed[:limit]) + (f" and {more} more" if more > 0 else "")
