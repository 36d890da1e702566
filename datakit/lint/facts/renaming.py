"""Tags of a caption written as others: in the caption's own spelling, in their places, none of them twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from datakit.lint.captions import Caption, read_caption
from datakit.lint.facts.piecewise import respelled, without
from datakit.lint.model import Change, Write
from datakit.tags.names import KAOMOJI, to_canonical, to_prompt


def spelled_like(caption: Caption, name: str, piece: str = "") -> str:
    """A canonical name as a caption would write it: with underscores where `piece`, or else most of the caption, has
    them, and with brackets escaped where the caption escapes them."""
    alike = [piece] if " " in piece or "_" in piece else caption.pieces
    num_under = sum("_" in one and one not in KAOMOJI for one in alike)
    text = name if num_under > sum(" " in one for one in alike) else to_prompt(name)
    if any("\\(" in one for one in caption.pieces):
        text = text.replace("(", "\\(").replace(")", "\\)")
    return text


def renamed(caption: Caption, names: Mapping[str, str]) -> Sequence[Change]:
    """The caption with other names for some of its tags; where one would come twice, its first place stays.

    Args:
        names: canonical name → the one that takes its place.
    """
    meant = [names.get(tag, tag) for tag in caption.tags]
    touched = {*names.values()}
    seen: set[str] = set()
    doubles = []
    for number, tag in enumerate(meant):
        if tag in touched and tag in seen:
            doubles.append(number)
        seen.add(tag)
    changes = without(caption, doubles) if doubles else []
    shorter = caption
    for change in changes:
        if isinstance(change, Write):
            shorter = read_caption(caption.path, change.data)

    def respell(piece: str) -> str:
        new = names.get(to_canonical(piece))
        return piece if new is None else spelled_like(caption, new, piece)

    return respelled(shorter, respell) or changes
