"""Every error that a person can cause or cure; one handler, in the CLI, prints them.

    DskError                      exit code
    ├── UsageError            2   the command's words are off
    ├── ConfigError           3   dsk.toml or a file beside it is wrong
    ├── RepositoryError       4   not a dataset, a foreign or busy repository
    │   └── LockedError       5   another process holds the lock
    ├── InputError            6   a file that was to be read is missing, unreadable or malformed
    ├── WriteError            7   the disk or its permissions refuse
    ├── StateError            8   the command needs another one first
    └── TrainerError          9   the trainer is missing or stopped

Exit code 1 belongs to findings: lint found errors, or some items of a batch failed. 130 is Ctrl-C.
"""

from __future__ import annotations

from typing import ClassVar


class DskError(Exception):
    """A failure told in one line: what happened, to which file, and in `hint` what to do."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DskError):
    """The command's words are off."""

    code = "usage"
    exit_code = 2


class ConfigError(DskError):
    """dsk.toml, or a file beside it, is wrong."""

    code = "config"
    exit_code = 3


class RepositoryError(DskError):
    """The directory is no dataset, or its git repository is not one that dsk may write to."""

    code = "repository"
    exit_code = 4


class LockedError(RepositoryError):
    """Another process is writing to the dataset."""

    code = "locked"
    exit_code = 5


class InputError(DskError):
    """A file that was to be read is missing, unreadable or malformed."""

    code = "input"
    exit_code = 6


class WriteError(DskError):
    """The disk is full, or its permissions refuse."""

    code = "write"
    exit_code = 7


class StateError(DskError):
    """The command needs another one first."""

    code = "state"
    exit_code = 8


class TrainerError(DskError):
    """The trainer is not installed, or it stopped."""

    code = "trainer"
    exit_code = 9
