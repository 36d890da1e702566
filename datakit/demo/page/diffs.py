"""What became of a caption, tag by tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["kept", "respelled", "added", "removed"]


@dataclass(frozen=True)
class TagChange:
    """A tag, before or after."""

    kind: Kind
    text: str
    was: str = ""
    """The spelling before, where that is another."""


def split(caption: str) -> list[str]:
    """The tags of a caption, in its order; prose is one tag a comma too."""
    return [tag for tag in (part.strip() for part in caption.replace("\n", ",").split(",")) if tag]


def fold(tag: str) -> str:
    """What the spellings of one tag have in common."""
    return "_".join(tag.lower().replace("\\", "").replace("_", " ").split())


def changes(before: str, after: str) -> tuple[TagChange, ...]:
    """The tags of `after` in their order, those that went behind the neighbour that they had."""
    old, new = _once(split(before)), _once(split(after))
    found = [
        TagChange("added", text)
        if key not in old
        else TagChange("kept", text)
        if old[key] == text
        else TagChange("respelled", text, old[key])
        for key, text in new.items()
    ]
    place = {key: number for number, key in enumerate(new)}
    at = -1
    gone: dict[int, list[TagChange]] = {}
    for key, text in old.items():
        if key in place:
            at = place[key]
        else:
            gone.setdefault(at, []).append(TagChange("removed", text))
    merged = list(gone.get(-1, []))
    for number, change in enumerate(found):
        merged += [change, *gone.get(number, [])]
    return tuple(merged)


def weight(found: tuple[TagChange, ...]) -> int:
    """How much there is to see."""
    return sum(change.kind in {"added", "removed"} for change in found)


def _once(tags: list[str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for tag in tags:
        kept.setdefault(fold(tag), tag)
    return kept
