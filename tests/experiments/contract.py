"""What a claim is: arms that differ in one thing, pictures that are asked for, measures, and what is compared.

All of it is data that stands before anything runs; nothing here looks at results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image

from datakit.demo.portraits.contract import Look

Kind = Literal["all", "asked", "number", "off"]


@dataclass(frozen=True)
class Sample:
    """A picture that is trained on."""

    image: Image.Image
    """RGB, as the trainer is to see it."""
    caption: str
    """Empty: the picture has none, and is trained with the empty prompt."""
    is_class: bool = False
    """Whether it is a regularization picture."""


@dataclass(frozen=True)
class Ask:
    """A picture that is asked for after training."""

    group: str
    """Measures look at one group."""
    prompt: str
    asked: tuple[str, ...] = ()
    """Tags that the prompt names and the picture should show."""


@dataclass(frozen=True)
class Arm:
    """One way to train; the arms of a claim differ in what the claim is about alone."""

    name: str
    words: str
    """What is done, for the report."""
    samples: Callable[[int], Sequence[Sample]]
    """The pictures of a seed."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Settings of the run's TOML, `section.key`: value, instead of the usual ones."""
    subset: Mapping[str, object] = field(default_factory=dict)
    """Settings of the dataset's subsets."""
    class_prompts: tuple[str, ...] = ()
    """The base's own pictures of these prompts are trained beside, as regularization pictures."""
    weighting: str = ""
    """A key of `learning.WEIGHTINGS`, which the trainer itself does not offer."""
    trains: bool = True
    """False: the base as it is, beside which the others are read."""


@dataclass(frozen=True)
class Measure:
    """A number of a run, taken from the pictures of one group."""

    name: str
    words: str
    group: str
    kind: Kind = "all"
    """all: share of pictures that show all of `tags`; asked: share of the tags asked for that are shown; number: mean
    of `number` over the pictures; off: how far that mean is from the one of the pictures trained on."""
    tags: tuple[str, ...] = ()
    number: str = ""

    @property
    def is_share(self) -> bool:
        """Whether it counts yes and no, so that Wilson's interval says something."""
        return self.kind in ("all", "asked")


@dataclass(frozen=True)
class Comparison:
    """What the claim says of two arms."""

    measure: str
    arm: str
    against: str
    expected: Literal[-1, 0, 1]
    """Sign of (arm less against) that the claim says; 0: it says only that they differ, or leaves it open."""
    smallest: float = 0.1
    """A smaller difference would not matter to anybody."""


@dataclass(frozen=True)
class Claim:
    """Something that users argue about, made into an experiment."""

    name: str
    title: str
    says: str
    """The claim in a sentence."""
    how: str
    """How it is tried here, and what that leaves out."""
    arms: tuple[Arm, ...]
    asks: Callable[[int], Sequence[Ask]]
    """Of a seed; the same for all arms."""
    measures: tuple[Measure, ...]
    comparisons: tuple[Comparison, ...]
    looks: Callable[[int], Sequence[Look]] | None = None
    """Portraits of known tags, that the tagger is checked with; None where no measure asks it."""

    def arm(self, name: str) -> Arm:
        """The arm of that name."""
        return next(arm for arm in self.arms if arm.name == name)

    def measure(self, name: str) -> Measure:
        """The measure of that name."""
        return next(measure for measure in self.measures if measure.name == name)


@dataclass(frozen=True)
class Baking:
    """How every arm is trained where it says nothing else."""

    base: str
    steps: int = 150
    batch: int = 4
    rate: float = 2e-3
    rank: int = 8
    size_px: int = 64


@dataclass(frozen=True)
class Painting:
    """How pictures are made."""

    steps: int = 16
    guidance: float = 4.0
    rescale: float = 0.5
