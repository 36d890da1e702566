"""What lint speaks of: rules, findings, changes. Plain values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from datakit.lint.collection import Collection
from datakit.lint.severities import LEVELS, Level, Severity
from datakit.lint.targets.model import Target
from datakit.model.stage import Look

Group = Literal["pairs", "images", "tags", "dataset"]
FixSafety = Literal["none", "safe", "unsafe"]

LETTERS: Final[dict[Group, str]] = {"pairs": "P", "images": "I", "tags": "T", "dataset": "D"}
"""Group → first letter of its codes; E000 to E003 are the engine's own."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with one file. A rule gives the fields down to `item`; the engine adds the others."""

    path: str
    """Relative to the collection; '' for the collection as a whole."""
    message: str
    """What is wrong, without the path."""
    hint: str = ""
    """The cure, in one line."""
    fixable: bool = False
    """Whether the rule's fix cures this very finding."""
    evidence: dict[str, Any] = {}
    """JSON values that the message was made from; a fix reads them."""
    item: str = ""
    """`concept/stem`; '' to have it taken from the path."""
    code: str = ""
    name: str = ""
    severity: Severity = "error"
    stage: str = ""
    fix_safety: FixSafety = "none"
    """Of the rule's fix; `none` where this finding is not fixable."""

    @property
    def shown_path(self) -> str:
        """Relative to the dataset's root: `raw/aria/image123.txt`."""
        return rooted(self.stage, self.path)


class Rename(msgspec.Struct, frozen=True):
    """Give a file another name; nothing may be at the new one."""

    old: str
    new: str


class Write(msgspec.Struct, frozen=True):
    """Give a file this content; it may be a new file."""

    path: str
    data: bytes


class Delete(msgspec.Struct, frozen=True):
    """Remove a file."""

    path: str


Change = Rename | Write | Delete
Check = Callable[[Collection], Iterable[Finding]]
Fix = Callable[[Finding, Collection], Sequence[Change]]


class Effect(msgspec.Struct, frozen=True):
    """What one trainer does with what a rule finds."""

    level: Level
    """How much a finding weighs with `--for` that trainer; `off` where it does no harm."""
    what: str
    """What happens, as the end of a sentence that begins with the trainer's name: `stops with an AssertionError`."""
    source: str = ""
    """Where that can be read: `library/train_util.py, read_caption`, a path in the trainer's own repository."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. Its module's docstring is its documentation."""

    code: str
    """The group's letter and three digits, never used again for another rule."""
    name: str
    """Kebab-case, of the module's name; it names what is wrong, so that it reads well after `allow`."""
    group: Group
    severity: Severity
    severity_in: dict[str, Severity] = {}
    """Stage → severity, where it differs: what a later stage cures by itself is milder before."""
    stages: tuple[str, ...]
    """Where the rule looks."""
    last_only: bool = False
    """Whether it looks only into the last stage that has items, unless a stage is asked for by name: what it finds is
    the same in several of them, or cured by the next."""
    check: Check
    """A pure function of the collection; it gives paths relative to it."""
    fix: Fix | None = None
    """The changes that cure a fixable finding, with paths relative to the collection."""
    fix_safety: FixSafety = "none"
    """`safe`: no content is lost and the meaning is certain; `unsafe`: only on request."""
    looks: tuple[Look, ...] = ()
    """What it asks of images: MEASURED, HASHED, PIXELS, CONTENT."""
    effects: dict[str, Effect] = {}
    """Trainer → what it does, of those of which it is known."""
    needs_target: bool = False
    """Whether it runs only with `--for` one of `effects`: what it finds harms no other trainer."""
    options: type[msgspec.Struct] | None = None
    """Its settings, `[lint.rules.<name>]`; `check` takes them from the collection's context."""
    preview: bool = False
    """Whether it runs only where previews are asked for, or it itself by code or name."""

    def __post_init__(self) -> None:
        if not re.fullmatch(LETTERS[self.group] + r"\d{3}", self.code):
            raise ValueError(f"rule {self.name}: {self.code} is not {LETTERS[self.group]} and three digits")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"rule {self.code}: name '{self.name}' is not kebab-case")
        if (self.fix is None) != (self.fix_safety == "none"):
            raise ValueError(f"rule {self.name}: fix and fix_safety go together")
        if unknown := {*self.severity_in} - {*self.stages}:
            raise ValueError(f"rule {self.name}: severity for {sorted(unknown)}, where it does not look")
        if self.needs_target and not self.effects:
            raise ValueError(f"rule {self.name}: needs a target and has no effects")

    def severity_at(self, stage: str, targets: Sequence[Target] = ()) -> Level:
        """How much a finding weighs in a stage: for the trainers that are aimed at, by the worst of what they do."""
        usual = self.severity_in.get(stage, self.severity)
        if stage in self.severity_in or not targets:
            return "off" if self.needs_target and not targets else usual
        other: Level = "off" if self.needs_target else usual
        levels = (self.effects[one.name].level if one.name in self.effects else other for one in targets)
        return min(levels, key=LEVELS.index)


def rooted(stage: str, path: str) -> str:
    """A collection's path as seen from the dataset's root."""
    return "/".join(part for part in (stage, path) if part)
