"""The file says that a program generated the image.

Told by what the program itself wrote: `parameters` of AUTOMATIC1111's web UI and its forks, ComfyUI's `prompt` and
`workflow`, NovelAI's `Comment`, `Software` and the parameters hidden in the lowest bits of alpha, InvokeAI, Fooocus,
SwarmUI, Midjourney, settings in EXIF's UserComment, and IPTC's mark for generated media in XMP and C2PA. A model
trained on such images learns the faults of another. Many sites and every screenshot remove metadata: an image that is
not told may be generated all the same.
"""

from __future__ import annotations

import msgspec

from datakit.images.looks import MEASURED
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.generated-metadata]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images that say that they were generated."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Which program says so."""
    program = subject.facts[MEASURED.name]["generator"]
    if not program:
        return None
    reason = "its metadata says that it was generated" + (f" by {program}" if program != "other" else "")
    return Verdict(reason=reason, evidence={"program": program})


FILTER = Filter(
    name="generated-metadata",
    words=("generated", "generated"),
    settings=Settings,
    judge=judge,
    looks=(MEASURED,),
    rank=30,
)
