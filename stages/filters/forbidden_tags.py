"""The image has a tag that the dataset does not want, such as `comic`, `text_focus` or `ai-generated`.

Tags are those of the post and of the caption that came along. An entry may be written with spaces or underscores, and
with `*` for any letters: `*_(cosplay)`. An image without any tag is never told.
"""

from __future__ import annotations

import msgspec

from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict
from stages.filters.tagged import patterns, tags_of


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.forbidden-tags]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images with one of the tags."""
    tags: tuple[str, ...] = ()
    """Tags that no image may have: `["comic", "*_request"]`."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """Those of its tags that are forbidden."""
    forbidden = patterns(settings.tags)
    found = [tag for tag in tags_of(subject) if tag in forbidden] if forbidden else []
    return Verdict(reason=f"tagged {', '.join(found)}", evidence={"tags": found}) if found else None


FILTER = Filter(
    name="forbidden-tags", words=("forbidden tag", "forbidden tags"), settings=Settings, judge=judge, rank=22
)
