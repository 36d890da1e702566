"""What the page is made of, as plain values: nothing of it is looked up while the page is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Item:
    """An item in a stage."""

    key: str
    """`concept/stem`."""
    image: Path
    digest: str
    """Of the image's bytes: equal where they are."""
    caption: str | None
    """None where there is no caption file."""


@dataclass(frozen=True)
class Dropped:
    """Why a stage's function left an item out."""

    rule: str
    reason: str


@dataclass(frozen=True)
class Stage:
    """A stage as it lies on the disk."""

    name: str
    items: Mapping[str, Item]
    dropped: Mapping[str, Dropped] = field(default_factory=dict)
    flagged: Mapping[str, str] = field(default_factory=dict)
    """Key → what a rule remarks."""
    lone_captions: tuple[str, ...] = ()
    """Caption files without an image, below the stage."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name → text of what else a trainer reads, of the export alone."""


@dataclass(frozen=True)
class Scores:
    """What a tagger saw in one picture."""

    key: str
    said: Mapping[str, float]
    """Tags of the caption."""
    unsaid: Mapping[str, float]
    """Tags that the caption lacks."""


@dataclass(frozen=True)
class Cause:
    """Where a tag of an item comes from, or why it is gone."""

    key: str
    stage: str
    """In which that happened."""
    tag: str
    is_removed: bool
    why: str


@dataclass(frozen=True)
class Dataset:
    """A dataset of the demonstration."""

    root: Path
    settings: str
    """Text of dsk.toml."""
    stages: tuple[Stage, ...]
    posted: Mapping[str, str]
    """Key → tags of the record, as a caption."""
    lint_before: Mapping[str, Any] | None = None
    """The report when the scrape had just come in."""
    lint_now: Mapping[str, Any] | None = None
    tags: Mapping[str, Any] | None = None
    taggers: tuple[str, ...] = ()
    scores: tuple[Scores, ...] = ()
    shown: tuple[str, ...] = ()
    """Keys of the items whose captions are followed through the stages."""
    causes: tuple[Cause, ...] = ()
    operations: tuple[Mapping[str, Any], ...] = ()
    """Newest first."""
    unanswered: tuple[str, ...] = ()
    """Commands that said nothing, and why: the page lacks what they would have told."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.root.name


@dataclass(frozen=True)
class Bake:
    """A bake, and what was measured of it."""

    id: str
    dataset: str
    ledger: Mapping[str, Any]
    entry: str
    """Text of the ledger's file."""
    losses: tuple[tuple[int, float], ...] = ()
    """(Step, loss)."""
    validation: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    """`held_out` and `trained`, as far as they were measured."""
    grid: Path | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A command that was run."""

    folder: str
    words: tuple[str, ...]
    code: int
    seconds: float


@dataclass(frozen=True)
class Record:
    """What the demonstration wrote down about itself."""

    steps: tuple[Step, ...] = ()
    seeds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """All of it."""

    home: Path
    datasets: tuple[Dataset, ...]
    bakes: tuple[Bake, ...]
    record: Record
