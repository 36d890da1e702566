"""The same bytes as another image.

One stays: one with tags before one without, then one with a caption that came along, then the first by name. The
evidence names it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datakit.model.stage import Subject
from stages.filters.keepers import all_but_one
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.exact-duplicate]` of dsk.toml."""

    action: Action = "drop"
    """`off`, `flag` or `drop` all but one of the images with the same bytes."""


def compare(subjects: Sequence[Subject], settings: Settings) -> dict[str, Verdict]:
    """All but one of each group of images with the same bytes."""
    return all_but_one(subjects, lambda one: one.image.sha256, same="bytes", name="sha256")


FILTER = Filter(
    name="exact-duplicate",
    words=("exact duplicate", "exact duplicates"),
    settings=Settings,
    compare=compare,
    scope="content",
    judges_unreadable=True,
    rank=60,
)
