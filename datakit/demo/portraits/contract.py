"""What a style of portraits is, and what one portrait shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ABSENT: Final = ""
"""The variant of a part that is not drawn."""

Tags = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A kind of part of a style, and the tags that each of its variants makes true."""

    option: str
    """DiceBear's name of the component: `hair`, `eyes`, `glasses`."""
    variants: Mapping[str, Tags]
    """Only variants named here are drawn; `ABSENT` draws none."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """How often against the others; 1 where nothing is said."""
    optional: bool = False
    """DiceBear draws it with a probability, which is set to all or nothing."""


@dataclass(frozen=True)
class Style:
    """One of DiceBear's styles, in danbooru's words."""

    name: str
    """DiceBear's name of it."""
    artist: str
    licence: str
    source: str
    """Where the artist shows it."""
    hair: Part
    """Its variants' tags name `1girl` or `1boy` too."""
    others: tuple[Part, ...]
    hair_colour: tuple[str, ...] = ("hairColor",)
    """Options that take the hair's colour."""
    skin: tuple[str, ...] = ("skinColor",)
    """Options that take the skin's colour; none where skin is white, and then no tag tells of it."""
    shirt: tuple[str, ...] = ()
    """Options that take the shirt's colour; none where no shirt is drawn."""
    pair: str = ""
    """The component that is named after the `+` of a hair variant: hair at the back, a hat."""
    fixed: Mapping[str, object] = field(default_factory=dict)
    """Options that are the same in each picture."""
    only: Mapping[str, str] = field(default_factory=dict)
    """Component: the tag that the hair must have for it to be drawn, e.g. beards of a 1boy."""

    @property
    def tag(self) -> str:
        """As danbooru names styles."""
        return f"{self.name}_(style)"


@dataclass(frozen=True)
class Look:
    """Everything that one portrait shows."""

    style: str
    parts: Mapping[str, str]
    """Component: variant, hair among them."""
    hair_colour: str
    """Name, a key of `palette.HAIR`."""
    skin: str
    """A key of `palette.SKIN`; empty where the style's skin is white."""
    shirt: str
    """Name, a key of `palette.SHIRTS`; empty where the style draws none."""
    background: str
    """A key of `grounds.GROUNDS`."""
    flip: bool = False
    rotate_deg: int = 0
