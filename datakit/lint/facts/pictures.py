"""What rules about images share: which of them can be read, what is measured of them, where they are cured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from datakit.images.looks import MEASURED
from datakit.images.measure import ImageFacts
from datakit.images.measures.truncation import is_cut_short
from datakit.lint.collection import FOLDER, Collection

PILLOW_LIMIT_PX: Final = 178_956_970
"""Pillow opens no image of more pixels unless it is told to (PIL.Image, _decompression_bomb_check)."""


class Measured(NamedTuple):
    """One image that can be read."""

    path: str
    facts: ImageFacts
    found: Mapping[str, Any]
    """What MEASURED found."""


def readable(collection: Collection) -> Iterator[tuple[str, ImageFacts]]:
    """(path, what it is) of each image that can be decoded."""
    for image in collection.images:
        facts = collection.facts(image)
        if not facts.unreadable:
            yield image, facts


def measured(collection: Collection) -> Iterator[Measured]:
    """Each image that can be decoded and measured."""
    for image, facts in readable(collection):
        found = collection.looked(image, MEASURED)
        if not found.get("unreadable"):
            yield Measured(image, facts, found)


def undecodable(collection: Collection, *, cut_short: bool) -> Iterator[tuple[str, str, str]]:
    """(path, the decoder's reason, the cure) of each image that gives no pixels; of those whose end is missing, or of
    the others."""
    hint = "fetch it again; else dsk filter drops it" if collection.stage == "raw" else "fetch it again, or take it out"
    for image in collection.images:
        reason = collection.facts(image).unreadable
        if reason and is_cut_short(reason, partial(collection.read, image)) == cut_short:
            yield image, reason, hint


def poor(collection: Collection, fact: str, least: float, *, section: str) -> Iterator[tuple[str, Any, str]]:
    """(path, what was measured, the cure) of each image with less of a fact than `least`.

    Args:
        section: of dsk.toml, the filter that drops such images.
    """
    hint = cure(
        collection,
        in_dataset=f"fetch the original; [{section}] drops such images",
        in_folder="fetch the original, or take it out",
    )
    for image, _, found in measured(collection):
        if found[fact] is not None and found[fact] < least:
            yield image, found[fact], hint


def cure(collection: Collection, *, in_dataset: str, in_folder: str) -> str:
    """The hint: what dsk does in a dataset, or what is to be done by whoever uses nothing of it."""
    return in_folder if collection.stage == FOLDER else in_dataset


def shown_size(facts: ImageFacts) -> str:
    """`640 x 480 px`, as people see it."""
    width, height = facts.oriented_size_px
    return f"{width} x {height} px"


def is_clipped(mode: str) -> bool:
    """Whether Pillow cuts values of this mode off when it makes RGB of it."""
    return mode in ("I", "F") or mode.startswith("I;16")
