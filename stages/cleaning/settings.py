"""Section `[cleaned]` of dsk.toml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from datakit.tags.names import to_canonical
from datakit.tags.patterns import is_pattern
from datakit.tags.renaming import outputs
from datakit.tags.templates import Template

Category = Literal["artist", "character", "copyright", "species", "general", "meta"]
FIELDS = (
    *("trigger", "tags", "people", "character", "copyright", "artist", "species", "meta"),
    *("extra", "quality", "rating", "year", "separator", "prose"),
)
"""What may stand between the brackets of a template."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[cleaned]` of dsk.toml."""

    profile: str = "plain"
    """How prompts are written: `plain`, a model's name, or a file of `vocab/profiles`; see `dsk profile`."""
    trigger: str = ""
    """Trigger word of every concept that `triggers` does not name; empty for none."""
    triggers: dict[str, str] = {}
    """Concept → its trigger word, or several between commas, as in `triggers = {miku = "mikudress"}`; an empty word
    means none."""
    template: str = ""
    """How the parts come together, as in `"{trigger}, {character}, {tags}. {prose}"`; empty for the profile's order."""
    aliases: bool = True
    """Write the tag that the vocabulary says an alias stands for."""
    replace: Mapping[str, str | tuple[str, ...]] = {}
    """Tag → the tag, or tags, in its place, as in `replace = {grey_hair = "silver_hair"}`; "" takes it out."""
    implications: Literal["keep", "drop", "add"] = "keep"
    """Tags that another tag of the caption implies, as `cat_ears` does `animal_ears`: `keep` them as they are, `drop`
    them, or `add` those that are missing."""
    conflicts: Literal["keep", "report", "drop-weaker"] = "report"
    """Tags that exclude each other, as `1girl` and `2girls` do: `keep` them, `report` the item, or `drop-weaker`."""
    exclusive: tuple[tuple[str, ...], ...] = ()
    """More rows of tags of which an image has one at most, as in `exclusive = [["day", "night"]]`."""
    blacklist: tuple[str, ...] = ()
    """Tags that are left out, spelled with spaces or underscores; `*` is any letters: `*_request`."""
    blacklist_categories: tuple[Category, ...] = ()
    """Categories whose tags are left out, as in `["meta"]`."""
    prune: Mapping[str, tuple[str, ...]] = {}
    """Concept → tags, or patterns, of its fixed traits, which its trigger stands for; `dsk traits` finds them."""
    max_tags: int = 0
    """Most tags of a caption that are kept, trigger and the profile's words not counted; 0 for all."""
    keep_underscores: bool = False
    """Write `long_hair` rather than `long hair`."""

    def __post_init__(self) -> None:
        if self.max_tags < 0:
            raise ValueError("max_tags is 0 or more")
        fields = Template(self.template, FIELDS).fields
        if self.template and "trigger" not in fields and (self.trigger or any(self.triggers.values())):
            raise ValueError("template has no {trigger}, so the trigger words would be in no prompt")
        _check_names("replace", [*self.replace, *(text for to in self.replace.values() for text in outputs(to))])
        _check_names("exclusive", (tag for row in self.exclusive for tag in row))
        _check_chains({to_canonical(tag): tuple(map(to_canonical, outputs(to))) for tag, to in self.replace.items()})


def _check_names(field: str, texts: Iterable[str]) -> None:
    for text in texts:
        if not to_canonical(text) or is_pattern(text):
            raise ValueError(f"{field}: '{text}' is no tag")


def _check_chains(table: Mapping[str, tuple[str, ...]]) -> None:
    for tag, to in table.items():
        for other in to:
            if other != tag and table.get(other, (other,)) != (other,):
                raise ValueError(f"replace: {tag} becomes {other}, which is replaced too; write what is meant")
