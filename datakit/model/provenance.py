"""Where an item's tags and image come from, as plain values."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["person", "pending", "import", "derived", "stage", "unknown"]
"""Beside what `Stage.origins` names: a person's operation, a hand edit not committed yet, an import, a part of another
item's image, a stage's function that says no more, and what the history does not tell."""


class Doer(msgspec.Struct, frozen=True, kw_only=True):
    """An operation, as far as the question goes."""

    commit: str
    """40 hex digits."""
    time: int
    """Unix seconds."""
    author: str
    op: str
    """Name of the command; '' for a commit made by plain git."""
    subject: str


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What something comes from."""

    stage: str
    """The stage that it came in, or went, with."""
    kind: str
    """A `Kind`, or a kind of `datakit.model.stage.Origin`."""
    detail: str = ""
    """For people: `danbooru, general`."""
    score: float | None = None
    """Of a tagger, 0 to 1."""
    was: str = ""
    """Canonical name in the stage before, where a stage renamed the tag."""
    operation: Doer | None = None


class TagCause(msgspec.Struct, frozen=True, kw_only=True):
    """One tag of a caption."""

    tag: str
    """Canonical name."""
    text: str
    """As the caption spells it; '' for one that is not in it."""
    cause: Cause


class Blame(msgspec.Struct, frozen=True, kw_only=True):
    """Where an item of a stage has everything from."""

    key: str
    stage: str
    image: tuple[Cause, ...]
    """From its import to what it is now; empty where the stage has no image of the item."""
    has_caption: bool
    tags: tuple[TagCause, ...]
    """In the caption's order."""
    removed: tuple[TagCause, ...] = ()
    """Tags that are missing now, with what took them away; only where asked for."""
