"""Named characters: what stays the same in every portrait of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Character:
    """A name and the traits that never change; each is told by tags, so that any style may draw them."""

    name: str
    hair_colour: str
    """A key of `palette.HAIR`."""
    hair: str
    """The tag that its hair must have; a style's first variant with that tag is the character's."""
    skin: str
    """A key of `palette.SKIN`."""
    glasses: bool = False

    @property
    def traits(self) -> frozenset[str]:
        """The tags that, all together, the base model is never shown."""
        return frozenset({self.hair_colour, self.hair})


CHARACTERS: Final[Mapping[str, Character]] = {
    character.name: character
    for character in (
        Character("aria", "blue_hair", "braid", "#f2d3b1", glasses=True),
        Character("mika", "pink_hair", "twintails", "#f2d3b1"),
        Character("hana", "white_hair", "ponytail", "#9e5622"),
        Character("sora", "blonde_hair", "spiky_hair", "#ecad80"),
    )
}
