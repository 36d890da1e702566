"""What a stage is: a pure function over items, in two steps.

`inspect` is the costly step, a function of one image's bytes, run on all cores and remembered by content. What it is
asked are looks: a stage may want several of one image, and each is remembered on its own.
`decide` is the cheap step, over all items of the stage at once: it keeps, changes or drops each.
Neither sees the disk, the clock or the network, so a stage gives the same tree wherever it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec

from datakit.model.item import ImageRef
from datakit.model.record import Record

FAILED: Final = "error"
"""Among a look's facts: why it could not be answered this time, which is not remembered."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One costly question about one image."""

    name: str
    """Where `Subject.facts` holds the answer."""
    key: str
    """What the answer depends on beside the image's bytes: what is asked, its version, a digest of `options`."""
    options: Any = None
    """For the function that answers."""


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """What a look found out of, or made from, one image."""

    facts: dict[str, Any] = {}
    """JSON values or bytes: they are remembered on disk."""
    image: bytes | None = None
    """New content of the image; None when it stays as it is. Of all looks of a stage only one makes images."""
    extension: str = ""
    """Of `image`, without dot."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One image's looks that nobody remembers."""

    read: Callable[[], bytes]
    """The image's bytes."""
    looks: tuple[Look, ...]


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
    facts: dict[str, dict[str, Any]] = {}
    """Name of a look → what it found for this image's content."""
    made: ImageRef | None = None
    """The image that `inspect` made, already stored; None when it made none."""


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """Something about an item that a person should see, and that drops it not."""

    rule: str
    reason: str
    evidence: dict[str, Any] = {}


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """The item goes on, with this image and this caption (None: the stage writes no caption)."""

    key: str
    image: ImageRef
    caption: str | None = None
    flags: tuple[Flag, ...] = ()


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
    """Of a tag that is there: `site`, `caption`, `prose`, `tagger`, `trigger`, `profile`, `template`; of one written
    otherwise also `alias`, `replace`, `emphasis`; of one added or left out by a rule `implied`, `blacklist`, `prune`,
    `conflict`, `limit`, `not-taken`. Of an image `edited`; `stage` where the function does not say."""
    detail: str = ""
    """For people: `danbooru, general`."""
    score: float | None = None
    """Of a tagger, 0 to 1."""
    was: str = ""
    """Canonical name in the stage before, where the function renamed the tag."""
    removed: bool = False
    """Whether the function left the tag out."""


class KnownTags(Protocol):
    """What a stage may ask of a vocabulary; names are canonical."""

    def canonical(self, tag: str) -> str:
        """The tag that an alias stands for; any other as it is."""
        ...

    def category(self, tag: str) -> str:
        """One of `record.CATEGORIES`; '' for a tag that nobody knows."""
        ...

    def count(self, tag: str) -> int:
        """Posts that have the tag; 0 for a tag that nobody knows."""
        ...

    def implied(self, tag: str) -> frozenset[str]:
        """All that a tag implies, also by way of others, without the tag itself."""
        ...

    def blacklist(self) -> frozenset[str]:
        """Tags that the dataset leaves out everywhere."""
        ...


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage may ask for beside its settings; each is looked up when it is called, and not before."""

    vocabulary: Callable[[], KnownTags]
    """Costly for a big one: for the stage's run, not for the preparation."""
    vocabulary_digest: Callable[[], str]
    """Cheap; '' for a vocabulary that knows nothing."""
    profile_text: Callable[[str], str]
    """Name → TOML of a prompt profile; raises ConfigError where there is none."""
    tagger: Callable[[str], Any]
    """Name or path → a `datakit.taggers.finding.Found`, whose files need not be here; raises ConfigError for a name
    that nobody knows."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A stage's settings with what they name."""

    given: Any
    """What `decide`, `check`, `survey`, `scope`, `notes` and `origins` get where they say settings."""
    uses: dict[str, str] = {}
    """What the outcome depends on beside the settings: name for people → digest; '' where it is not here to be told."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage: its settings and its two functions."""

    name: str
    version: int
    """Raised whenever the same input would give another output: it makes the stage stale everywhere."""
    settings: type[msgspec.Struct]
    """Section `[name]` of dsk.toml: frozen, strict, every field with a default and a docstring."""
    decide: Callable[[Sequence[Subject], Any], Sequence[Outcome]]
    """(subjects sorted by key, settings) → one outcome per subject, in their order."""
    scope: Scope | Callable[[Any], Scope] = "all"
    """What an item's outcome depends on, settings aside: the `item` alone, also the other items with the very same
    image (`content`), or `all` items; or a function of the settings that says so. When inputs change, only items
    within that reach are decided anew."""
    prepare: Callable[[Any, Resources], Prepared] | None = None
    """(settings, resources) → the settings with the files that they name. Cheap: `dsk status` asks too."""
    survey: Callable[[Sequence[Subject], Any], Any] | None = None
    """(all subjects, settings) → settings that know what the items have in common. Asked before `decide`, `notes` and
    `origins` where the scope is `all`."""
    check: Callable[[Collection[str], Any], None] | None = None
    """(concepts of all items, settings); raises ConfigError where they do not go together."""
    looks: Callable[[Subject, Any], Sequence[Look]] | None = None
    """(a subject without facts, settings) → what `decide` wants to know of its image; each name once."""
    inspect: Callable[[bytes, Sequence[Look]], Sequence[Product]] | None = None
    """(an image's bytes, those of its looks that nobody remembers) → a product for each, in their order. Never raises
    on bad bytes: that is a fact."""
    inspect_many: Callable[[Sequence[Job], Any], Generator[tuple[int, Sequence[Product]], None, None]] | None = None
    """In the place of `inspect` where images are looked at together, as models do: (jobs, settings) → (a job's number,
    a product for each of its looks) in any order, as they are ready. Whoever stops early closes the generator."""
    retries: frozenset[str] = frozenset()
    """Rules of flags whose items every run decides anew: what failed may succeed by now."""
    summarise: Callable[[Sequence[Subject], Sequence[Outcome]], str]
    """(subjects with their facts, every outcome) → the commit's subject after `name: `."""
    notes: Callable[[Sequence[Subject], Any], Sequence[str]] | None = None
    """(the subjects that were decided, settings) → what a person should know of this run."""
    origins: Callable[[Subject, Any], Mapping[str, Origin]] | None = None
    """(a subject, settings) → canonical tag → where the function has it from, or why it left it out; tags that it only
    passes on are not named. IMAGE stands for the image that the function made."""


def prepared(stage: Stage, settings: Any, resources: Resources) -> Prepared:
    """The settings as the stage's functions take them.

    Raises:
        ConfigError: they name a file that is missing or wrong.
    """
    return stage.prepare(settings, resources) if stage.prepare is not None else Prepared(given=settings)


def scope_of(stage: Stage, given: Any) -> Scope:
    """How far an item's outcome reaches under these settings, as they were prepared."""
    return stage.scope(given) if callable(stage.scope) else stage.scope


def needs_survey(stage: Stage, given: Any) -> bool:
    """Whether the stage's functions want to know what all items have in common."""
    return stage.survey is not None and scope_of(stage, given) == "all"


def surveyed(stage: Stage, subjects: Sequence[Subject], given: Any) -> Any:
    """The settings with what `subjects`, all of the stage, have in common; as they are where nothing hangs on that."""
    return stage.survey(subjects, given) if stage.survey is not None and needs_survey(stage, given) else given
