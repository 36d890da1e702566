"""What lint knows besides the files: how they will be trained, how the dataset stands, what rules were told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Names
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from datakit.lint.targets.model import Target
from datakit.model.record import Record
from datakit.tags.vocabulary.known import NONE, Vocabulary

S = TypeVar("S", bound=msgspec.Struct)
_REPEATS: Final = re.compile(r"(\d+)_(.*)")


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """How the images will be trained, as far as it is known; the defaults are those of an SDXL run of sd-scripts."""

    resolution_px: tuple[int, int] = (1024, 1024)
    """(width, height); their product is the area of a bucket."""
    batch_size: int = 1
    enable_bucket: bool = True
    bucket_no_upscale: bool = False
    bucket_step_px: int = 64
    min_bucket_px: int = 256
    max_bucket_px: int = 2048
    shuffles: bool = False
    """Whether tags change places or are dropped."""
    keep_tokens: int = 0
    keep_separator: str = "|||"
    max_tokens: int = 225
    """What is longer is cut off; the marks of the chunks are not counted."""
    repeats: Mapping[str, int] = {}
    """Concept → how often an epoch shows each of its images, where that is set."""
    regularization: frozenset[str] = frozenset()
    """Concepts whose images show what the model knew before, and are not to be learnt."""


class StageState(msgspec.Struct, frozen=True, kw_only=True):
    """How a stage of a dataset stands."""

    stale: str = ""
    """Why it must run again; '' when it is up to date."""
    conflicts: Mapping[str, str] = {}
    """Item → what was changed on both sides: `image`, `caption`, …"""
    origins: Callable[[], Names[str]] | None = None
    """The items of raw, and those derived from them; None in raw itself."""
    stale_exports: Mapping[str, str] = {}
    """Export format → why it must be written again; formats that were never written are not in it."""


class TokenCounter(NamedTuple):
    """CLIP's tokenizer, as far as rules need it."""

    count: Callable[[str], int]
    """text → its tokens, marks not counted."""
    counts: Callable[[Sequence[str]], list[int]]
    """Words of ASCII, without blanks → the tokens of each; sooner than `count` of each."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule may ask besides the files; every field has a value for a folder of which nothing is known."""

    targets: tuple[Target, ...] = ()
    """The trainers that the files are for; empty where nobody said."""
    training: Training = Training()
    vocabulary: Vocabulary = NONE
    triggers: Mapping[str, tuple[str, ...]] | None = None
    """Concept → its trigger words, as canonical names, of every concept that has some; None where nobody said."""
    blacklisted: Callable[[str], bool] = lambda tag: False
    """Whether the dataset leaves a tag out on purpose."""
    record: Callable[[str], Record | None] = lambda key: None
    """Item → its record."""
    tokens: TokenCounter | None = None
    state: StageState | None = None
    """None for a folder that is no stage of a dataset."""
    digest: str = ""
    """Changes with what is not plain values here: triggers, the blacklist."""
    options: Mapping[type[msgspec.Struct], Any] = {}
    """Type of a rule's options → what `[lint.rules.<name>]` says."""

    def option(self, kind: type[S]) -> S:
        """A rule's options; its defaults where nobody set them."""
        found: S | None = self.options.get(kind)
        return kind() if found is None else found

    def repeats_of(self, concept: str) -> int:
        """How often an epoch shows each image of a concept: as set, else as a folder `10_name` says, else once."""
        named = _REPEATS.fullmatch(concept.rpartition("/")[2])
        return self.training.repeats.get(concept) or (int(named[1]) if named else 0) or 1
