"""What a stage is: a pure function over items, in two steps.

`inspect` is the costly step, a function of one image's bytes alone, run on all cores and remembered by content.
`decide` is the cheap step, over all items of the stage at once: it keeps, changes or drops each.
Neither sees the disk, the clock or the network, so a stage gives the same tree wherever it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from datakit.model.item import ImageRef
from datakit.model.record import Record


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """What `inspect` found out of, or made from, one image."""

    facts: dict[str, Any] = {}
    """JSON values only: they are remembered on disk."""
    image: bytes | None = None
    """New content of the image; None when it stays as it is."""
    extension: str = ""
    """Of `image`, without dot."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One item as a stage sees it."""

    key: str
    """`concept/stem`."""
    image: ImageRef
    caption: str | None = None
    """As the stage before wrote it."""
    record: Record | None = None
    """Without its `upstream`."""
    scraped_caption: str | None = None
    """The caption file that came along with the scrape (raw/<key>.txt)."""
    facts: dict[str, Any] = {}
    """What `inspect` found for this image's content."""
    made: ImageRef | None = None
    """The image that `inspect` made, already stored; None when it made none."""


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """The item goes on, with this image and this caption (None: the stage writes no caption)."""

    key: str
    image: ImageRef
    caption: str | None = None


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """The item ends here; `evidence` holds the JSON values that prove it."""

    key: str
    rule: str
    """Kebab-case name of what was wrong, such as `exact-duplicate`."""
    reason: str
    """For people: what was wrong, and with which other file."""
    evidence: dict[str, Any] = {}


Outcome = Keep | Drop
Scope = Literal["item", "content", "all"]


IMAGE: Final = ""
"""What stands for the item's image where `Stage.origins` names tags."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stage's function has a tag from, or why it left the tag out."""

    kind: str
    """`site`, `caption`, `trigger`, `tagger`, `renamed`, `edited`; of a tag left out the rule, as in `blacklist`."""
    detail: str = ""
    """For people: `danbooru, general`."""
    score: float | None = None
    """Of a tagger, 0 to 1."""
    was: str = ""
    """Canonical name in the stage before, where the function renamed the tag."""
    removed: bool = False
    """Whether the function left the tag out."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage: its settings and its two functions."""

    name: str
    version: int
    """Raised whenever the same input would give another output: it makes the stage stale everywhere."""
    settings: type[msgspec.Struct]
    """Section `[name]` of dsk.toml: frozen, strict, every field with a default and a docstring."""
    decide: Callable[[Sequence[Subject], Any], Sequence[Outcome]]
    """(subjects sorted by key, settings) → one outcome per subject, in their order."""
    scope: Scope = "all"
    """What an item's outcome depends on, settings aside: the `item` alone, also the other items with the very same
    image (`content`), or `all` items. When inputs change, only items within that reach are decided anew."""
    check: Callable[[Collection[str], Any], None] | None = None
    """(concepts of all items, settings); raises ConfigError where they do not go together."""
    inspect: Callable[[bytes, Any], Product] | None = None
    """(image bytes, inspect_options(settings)) → product. Never raises on bad bytes: that is a fact."""
    inspect_options: Callable[[Any], Any] | None = None
    """The part of the settings that `inspect` depends on (JSON-able); None: it depends on none."""
    summarise: Callable[[Sequence[Subject], Sequence[Outcome]], str]
    """(subjects with their facts, every outcome) → the commit's subject after `name: `."""
    origins: Callable[[Subject, Any], Mapping[str, Origin]] | None = None
    """(a subject, settings) → canonical tag → where the function has it from, or why it left it out; tags that it only
    passes on are not named. IMAGE stands for the image that the function made."""
