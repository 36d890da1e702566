"""What trainers eat: one folder `export/<format>/` for each format.

The items of `wip` go out as they are. How a format lays them out, and which files it adds, its exporter says; here is
only which formats are written.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datakit.model.stage import Keep, Outcome, Stage, Subject
from stages.wording import count, dropped_parts, in_brackets, kept


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export]` of dsk.toml."""

    formats: tuple[str, ...] = ("kohya",)
    """Formats that `dsk advance` and a plain `dsk export` write."""


def decide(subjects: Sequence[Subject], settings: Settings) -> list[Outcome]:
    """Every item is exported as it came."""
    return [Keep(key=subject.key, image=subject.image, caption=subject.caption) for subject in subjects]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 items`."""
    return count(len(kept(outcomes)), "item") + in_brackets(dropped_parts(outcomes))


STAGE = Stage(name="export", version=1, settings=Settings, decide=decide, summarise=summarise)
