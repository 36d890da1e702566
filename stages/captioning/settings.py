"""Section `[captioned]` of dsk.toml, and what it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from datakit.errors import ConfigError
from datakit.model.stage import Prepared, Resources

Category = Literal["artist", "character", "copyright", "species", "general", "meta"]
Policy = Literal["union", "booru", "caption", "tagger", "fill-missing"]
SITE: Final = frozenset({"union", "booru", "fill-missing"})
"""Policies that take the record's tags."""
SCRAPED: Final = frozenset({"union", "caption", "fill-missing"})
"""Policies that take the caption that came along."""
SEEN: Final = frozenset({"union", "tagger", "fill-missing"})
"""Policies that take what taggers see."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[captioned]` of dsk.toml."""

    policy: Policy = "union"
    """Where tags come from: `booru` (the record), `caption` (the file that came along), `tagger`, `union` of all, or
    `fill-missing`: as `union`, but taggers see only the items with fewer than `fill_below` tags."""
    categories: tuple[Category, ...] = ("character", "copyright", "artist", "species", "general")
    """Which of the record's and the taggers' tags are taken, and in which order the record's; a caption's tags have no
    category."""
    fill_below: int = 10
    """Tags that an item lacks no tagger with, under `fill-missing`."""
    taggers: tuple[str, ...] = ()
    """Taggers by name or path, as in `["wd-eva02-large-tagger-v3"]`; `dsk taggers` lists them."""
    thresholds: dict[Category, float] = {}
    """Category → score from which a tagger's tags are taken, as in `thresholds = {general = 0.4}`; empty for the best
    of each model."""
    mcut: tuple[Category, ...] = ()
    """Categories that are cut at the widest gap between an image's scores, in the place of a threshold."""
    votes: Literal["max", "mean", "at-least"] = "max"
    """How several taggers decide: what any takes (`max`), by the `mean` score, or what `at-least` `least_votes` of them
    take."""
    least_votes: int = 2
    """Taggers that must take a tag under `at-least`."""
    scraped: Literal["auto", "tags", "prose"] = "auto"
    """What the captions that came along are: a list of `tags`, `prose`, or told by how each reads (`auto`)."""
    command: str = ""
    """Program that writes prose, such as a vision language model, with its arguments; it runs without a shell and has
    to be allowed once: `dsk caption --allow-command`."""
    command_version: str = ""
    """Any text: changed, every image is asked anew."""
    command_timeout_s: int = 300
    """Seconds without an answer after which the program is stopped."""

    def __post_init__(self) -> None:
        if self.fill_below < 0 or self.least_votes < 1 or self.command_timeout_s < 1:
            raise ValueError("fill_below is 0 or more, least_votes and command_timeout_s 1 or more")
        if any(not 0 <= threshold <= 1 for threshold in self.thresholds.values()):
            raise ValueError("thresholds are 0 to 1")


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The settings with the taggers that they name."""

    settings: Settings
    taggers: tuple[Any, ...] = ()
    """Each a `datakit.taggers.finding.Found`; only those that the policy asks."""
    selectors: dict[str, Any] = {}
    """Tagger → its `thresholds.Selector`, once it was needed."""
    told: list[str] = []
    """What looked at how many images in this run, and how fast."""


def prepare(settings: Settings, resources: Resources) -> Prepared:
    """The settings with their taggers.

    Raises:
        ConfigError: nobody knows a tagger, or the policy needs one and there is none.
    """
    if settings.policy == "tagger" and not settings.taggers:
        raise ConfigError(
            "dsk.toml [captioned]: policy 'tagger' needs a tagger",
            hint='taggers = ["wd-eva02-large-tagger-v3"]; dsk taggers lists them',
        )
    names: Sequence[str] = tuple(dict.fromkeys(settings.taggers)) if settings.policy in SEEN else ()
    taggers = tuple(resources.tagger(name) for name in names)
    uses = {f"tagger {found.name}": found.uses for found in taggers}
    return Prepared(given=Given(settings=settings, taggers=taggers, selectors={}, told=[]), uses=uses)
