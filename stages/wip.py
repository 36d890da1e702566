"""The bench: where a person retouches images and rewrites captions before they are exported.

Nothing is computed here. What was changed by hand stays changed; what comes anew from `cleaned` is merged under it.

This stage has no settings.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datakit.model.stage import Keep, Outcome, Stage, Subject
from stages.wording import count, dropped_parts, in_brackets, kept


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[wip]` of dsk.toml: empty."""


def decide(subjects: Sequence[Subject], settings: Settings) -> list[Outcome]:
    """Every item goes on as it came."""
    return [Keep(key=subject.key, image=subject.image, caption=subject.caption) for subject in subjects]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 items`."""
    return count(len(kept(outcomes)), "item") + in_brackets(dropped_parts(outcomes))


STAGE = Stage(name="wip", version=1, settings=Settings, decide=decide, scope="item", summarise=summarise)
