"""What lint speaks of: collections, rules, findings, changes. Plain values and pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from datakit.model.item import CAPTION_EXTENSION, IMAGE_EXTENSIONS, split_path
from datakit.tags.seeing import UNRELATED, Relations

if TYPE_CHECKING:
    from datakit.images.measure import ImageFacts

Severity = Literal["error", "warning", "info"]
Group = Literal["pairs", "images", "tags", "dataset"]
FixSafety = Literal["none", "safe", "unsafe"]

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
LETTERS: Final[dict[Group, str]] = {"pairs": "P", "images": "I", "tags": "T", "dataset": "D"}
"""Group → first letter of its codes; E000 is the engine's own."""

FOLDER: Final = ""
"""The stage of a folder that belongs to no dataset: it is linted as what a trainer would eat."""
CAPTION_STAGES: Final = ("captioned", "cleaned", "wip", FOLDER)
"""Where every image needs a caption."""
ALL_STAGES: Final = ("raw", "filtered", "edited", *CAPTION_STAGES)


class Collection(msgspec.Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """One folder of images with captions, as a rule sees it. All paths are relative to it, with `/`."""

    stage: str
    """Name of the stage that the folder is; FOLDER for any other folder."""
    paths: tuple[str, ...]
    """Every file, sorted."""
    read: Callable[[str], bytes]
    """path → content."""
    facts: Callable[[str], ImageFacts]
    """image path → what its pixels say; who lints computes it on all cores and remembers it."""
    scores: Callable[[str], Mapping[str, float] | None] | None = None
    """image path → the tags that taggers see in it with a high score, with that score, but for those that its caption
    lacks on purpose; None for an image of which no score is remembered. None where no tagger is in use."""
    relations: Relations = UNRELATED
    """How the tags of `scores` and of captions hang together."""

    @cached_property
    def held(self) -> frozenset[str]:
        """The paths, for asking whether one is there."""
        return frozenset(self.paths)

    @cached_property
    def images_of(self) -> Mapping[str, tuple[str, ...]]:
        """Key (`concept/stem`) → its image files, more than one when images share a stem."""
        return self._by_key(IMAGE_EXTENSIONS)

    @cached_property
    def captions_of(self) -> Mapping[str, tuple[str, ...]]:
        """Key → its caption files; the extension may be in any case (`a.TXT`)."""
        return self._by_key(frozenset({CAPTION_EXTENSION}))

    @cached_property
    def images(self) -> tuple[str, ...]:
        """Every image file, sorted by key."""
        return tuple(path for paths in self.images_of.values() for path in paths)

    @cached_property
    def captions(self) -> tuple[str, ...]:
        """Every caption file, sorted by key."""
        return tuple(path for paths in self.captions_of.values() for path in paths)

    @cached_property
    def _keys(self) -> tuple[tuple[str, str], ...]:
        """(key, lower-case extension) of each path, in the order of `paths`."""
        return tuple((key, extension.lower()) for key, extension in map(split_path, self.paths))

    def _by_key(self, extensions: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for path, (key, extension) in zip(self.paths, self._keys, strict=True):
            if extension in extensions:
                found[key] = (*found.get(key, ()), path)
        return found


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
    check: Check
    """A pure function of the collection; it gives paths relative to it."""
    fix: Fix | None = None
    """The changes that cure a fixable finding, with paths relative to the collection."""
    fix_safety: FixSafety = "none"
    """`safe`: no content is lost and the meaning is certain; `unsafe`: only on request."""

    def __post_init__(self) -> None:
        if not re.fullmatch(LETTERS[self.group] + r"\d{3}", self.code):
            raise ValueError(f"rule {self.name}: {self.code} is not {LETTERS[self.group]} and three digits")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"rule {self.code}: name '{self.name}' is not kebab-case")
        if (self.fix is None) != (self.fix_safety == "none"):
            raise ValueError(f"rule {self.name}: fix and fix_safety go together")
        if unknown := {*self.severity_in} - {*self.stages}:
            raise ValueError(f"rule {self.name}: severity for {sorted(unknown)}, where it does not look")

    def severity_at(self, stage: str) -> Severity:
        """How much a finding weighs in a stage."""
        return self.severity_in.get(stage, self.severity)


def rooted(stage: str, path: str) -> str:
    """A collection's path as seen from the dataset's root."""
    return "/".join(part for part in (stage, path) if part)
