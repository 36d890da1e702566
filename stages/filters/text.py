"""Something is written in the image: a watermark, a signature, speech, a page of text.

Models learn letters as they learn anything: what stands on many images of a concept comes with its trigger. RapidOCR
reads the image (`pip install 'dsk[ocr]'`), 0.3 to 1 s each on two cores, once for each image. A line counts when the
reader is at least `min_score` sure. Of 26 sprites, rooms and photos without writing none then has a line; at 0.5, seams
of clothes are read as `mmmm`. An image is told when its lines cover more than `max_share` of it, when there are more of
them than `max_lines`, or when one of them has a word of `watermarks` in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from datakit.model.stage import Subject
from datakit.taggers.text import READ, Line, lines_of, see
from stages.filters.model import Action, Filter, Verdict

_SHOWN: Final = 3
_WATERMARKS: Final = (
    *("@", "©", "http", "www.", ".com", ".net", ".jp", "watermark", "sample", "preview", "do not repost"),
    *("patreon", "pixiv", "fanbox", "fantia", "twitter", "deviantart", "artstation", "danbooru", "gelbooru", "sankaku"),
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.text]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` images in which something is written."""
    max_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.02
    """Part of the image that text may cover, 0 to 1; 1 allows any."""
    max_lines: Annotated[int, msgspec.Meta(ge=0)] = 20
    """How many lines of text there may be."""
    watermarks: tuple[str, ...] = _WATERMARKS
    """Parts of words that make a line a watermark, in any case, blanks aside; such a line is told however small it
    is."""
    min_score: Annotated[float, msgspec.Meta(ge=0.5, le=1)] = 0.92
    """How sure the reader must be of a line, from 0.5."""


def judge(subject: Subject, settings: Settings) -> Verdict | None:
    """The watermark, or how much is written."""
    lines = [line for line in lines_of(subject.facts[READ.name]) if line.score >= settings.min_score]
    share = round(sum(line.share for line in lines), 4)
    evidence = {"lines": [line.text for line in lines], "share": share}
    for line in lines:
        if mark := watermark_in(line.text, settings.watermarks):
            shown = f"a watermark: '{_short(line.text)}' at {_place(line)}"
            return Verdict(reason=shown, evidence={**evidence, "watermark": mark})
    if share > settings.max_share:
        reason = f"text covers {share:.1%}, over {settings.max_share:.1%}: {_quoted(lines)}"
        return Verdict(reason=reason, evidence={**evidence, "max_share": settings.max_share})
    if len(lines) > settings.max_lines:
        reason = f"{len(lines)} lines of text, over {settings.max_lines}: {_quoted(lines)}"
        return Verdict(reason=reason, evidence={**evidence, "max_lines": settings.max_lines})
    return None


def watermark_in(text: str, marks: Sequence[str]) -> str:
    """The first of the marks that a text has in it, whatever the case and the blanks; '' for none."""
    plain = _plain(text)
    return next((mark for mark in marks if _plain(mark) and _plain(mark) in plain), "")


def _plain(text: str) -> str:
    return "".join(text.casefold().split())


def _place(line: Line) -> str:
    """`the lower right`."""
    x, y = line.centre
    rows = "upper" if y < 1 / 3 else "lower" if y > 2 / 3 else "middle"
    columns = " left" if x < 1 / 3 else " right" if x > 2 / 3 else ""
    return f"the {rows}{columns}"


def _quoted(lines: Sequence[Line]) -> str:
    shown = ", ".join(f"'{_short(line.text)}'" for line in lines[:_SHOWN])
    return shown + (f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else "")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


FILTER = Filter(
    name="text",
    words=("with text", "with text"),
    settings=Settings,
    judge=judge,
    looks=(READ,),
    answers={READ.name: see},
)
