"""Plain words, as a caption has them: nothing is a mark, and nothing has a weight."""

from __future__ import annotations

from collections.abc import Sequence

from datakit.tags.syntax.model import Span, Syntax, Written, is_neutral, merged, without_breaks
from datakit.tags.syntax.schedules import schedule_words


def parse(text: str) -> tuple[Span, ...]:
    """All of it, as it is."""
    return (Span(text),) if text else ()


def write(spans: Sequence[Span]) -> Written:
    """The words alone."""
    plain, notes = without_breaks(merged(spans))
    if any(not is_neutral(span) for span in plain):
        notes.append("weights are left out: a caption has none")
    text = ""
    for span in plain:
        if span.kind == "schedule":
            words = ", ".join(schedule_words(span.text))
            notes.append(f"'{span.text}': written as '{words}'")
            text += words
        else:
            text += span.text
    return Written(text, tuple(notes))


SYNTAX = Syntax(name="plain", aliases=("training",), title="plain words", parse=parse, write=write)
