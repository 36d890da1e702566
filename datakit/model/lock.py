"""The lock of a stage, `<stage>/stage.json`: what its tree was computed from."""

from __future__ import annotations

from typing import Any

import msgspec

from datakit.errors import InputError


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """Why an item is not in a stage."""

    rule: str
    reason: str
    evidence: dict[str, Any] = {}


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a person and the stage's function both changed; the person's stands until somebody decides."""

    ours: str
    """Blob id of the person's file, '' where removed; the conflict ends when the file is no longer this."""
    theirs: str
    """Blob id of what the function made, '' where it made none."""


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs of a stage: equal inputs give an equal tree."""

    stage: str
    version: int
    """Of the stage's function."""
    config: str
    """Digest of the settings it ran with."""
    inputs: dict[str, str]
    """Stage → id of the git tree that was read, without its own lock."""
    auto: str
    """Id of the git tree that the function produced: the base of the next three-way merge."""
    models: dict[str, str] = {}
    dropped: dict[str, Dropped] = {}
    conflicts: dict[str, Conflict] = {}


def decode_lock(data: bytes, *, path: str) -> Lock:
    """Read a lock.

    Raises:
        InputError: not a lock; names `path`.
    """
    try:
        return msgspec.json.decode(data, type=Lock)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a valid stage lock: {error}", hint="delete it and run dsk advance") from error
