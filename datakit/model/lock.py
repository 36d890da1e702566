"""The lock of a stage, `<stage>/stage.json`: what its tree was computed from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from datakit.errors import InputError
from datakit.model.item import is_image, split_path


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule found about an item: why it is not in the stage, or what should be looked at."""

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
    uses: dict[str, str] = {}
    """What else it ran with, such as a prompt profile: name → digest."""
    dropped: dict[str, Dropped] = {}
    flagged: dict[str, tuple[Dropped, ...]] = {}
    """Items that went on though a rule found something about them."""
    conflicts: dict[str, Conflict] = {}
    decided: dict[str, bool] = {}
    """Items that a person took out (false) or brought in (true), for good: also while the function agrees."""


def item_of(verdict: str) -> str:
    """The item that a key of `dropped` is about: some verdicts are on one file of several with one stem."""
    return split_path(verdict)[0] if is_image(verdict) else verdict


def changed_uses(lock: Lock, now: Mapping[str, str]) -> list[str]:
    """Names of what a stage uses that is not what it was, sorted; what is not here to be told ('') is as it was."""
    names = sorted({*lock.uses, *now})
    return [name for name in names if lock.uses.get(name) != now.get(name) and now.get(name) != ""]


def decode_lock(data: bytes, *, path: str) -> Lock:
    """Read a lock.

    Raises:
        InputError: not a lock; names `path`.
    """
    try:
        return msgspec.json.decode(data, type=Lock)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a valid stage lock: {error}", hint="delete it and run dsk advance") from error
