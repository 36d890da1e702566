"""Images exactly as they were scraped, and what is known of them.

Nothing is computed here: importing writes `raw/<concept>/<stem>.<ext>` with the image's own bytes, and the record
`raw/<concept>/<stem>.json` beside it. A caption that came along stays too, as `<stem>.txt`; `captioned` reads it.

This stage has no settings.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datakit.model.stage import Keep, Outcome, Stage, Subject
from stages.wording import count, dropped_parts, in_brackets, kept


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[raw]` of dsk.toml: empty."""


def decide(subjects: Sequence[Subject], settings: Settings) -> list[Outcome]:
    """Every item goes on untouched."""
    return [Keep(key=subject.key, image=subject.image, caption=subject.scraped_caption) for subject in subjects]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`24 images`."""
    return count(len(kept(outcomes)), "image") + in_brackets(dropped_parts(outcomes))


STAGE = Stage(name="raw", version=1, settings=Settings, decide=decide, summarise=summarise)
