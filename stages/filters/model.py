"""What a rule of `filtered` is: a verdict on one image, or on several that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from datakit.images.looks import Answer
from datakit.model.stage import Look, Scope, Subject
from datakit.registry import Family

Action = Literal["off", "flag", "drop"]
"""off: nobody asks; flag: the image goes on and `dsk status` tells it; drop: the image stays in raw."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule found about an image."""

    reason: str
    """For people: what is wrong, with the number that shows it."""
    evidence: dict[str, Any] = {}
    """JSON values that prove it: the number, and the setting that it breaks."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: `judge` looks at one item, or `compare` at all that are left."""

    name: str
    """Kebab-case, as the module: `too-small`."""
    words: tuple[str, str]
    """In a summary, of one and of several: `exact duplicate`, `exact duplicates`."""
    settings: type[msgspec.Struct]
    """Section `[filtered.<name>]` of dsk.toml: frozen, strict, `action` first, every field with a default and a
    docstring."""
    judge: Callable[[Subject, Any], Verdict | None] | None = None
    """(subject, settings) → what is wrong with it."""
    compare: Callable[[Sequence[Subject], Any], Mapping[str, Verdict]] | None = None
    """(subjects that no other rule drops, sorted by key; settings) → key → what is wrong with it."""
    looks: tuple[Look, ...] = ()
    """What it wants to know of the pixels. An image of which one of them says `unreadable` is not judged."""
    answers: Mapping[str, Answer] = {}
    """Name of a look → what answers it, where `datakit.images.looks` does not. Its module imports nothing heavy before
    it is called."""
    judges_unreadable: bool = False
    """Whether it is asked about images that cannot be decoded."""
    scope: Scope = "item"
    """What its verdict on an item depends on: see `Stage.scope`."""
    rank: int = 50
    """Rules are asked from low to high, then by name; the first that drops an image is the one that is told."""


FILTERS: Final[Family[Filter]] = Family("stages.filters", Filter, "FILTER", word="filter")
