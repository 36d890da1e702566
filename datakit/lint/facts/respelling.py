"""Tags that are spelled wrongly in a way that has one cure: which captions have them, and the cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from datakit.lint.collection import Collection
from datakit.lint.facts.piecewise import can_be_written, respelled
from datakit.lint.model import Change, Finding
from datakit.lint.words import listed

Judge = Callable[[str], str | None]
"""Piece → how it is spelled right; '' for a wrong one that must stay as it is, None for one that is not wrong."""


def misspelled(collection: Collection, judge: Judge, *, problem: str, hint: str) -> Iterator[Finding]:
    """One finding for each caption with pieces that are wrong, which are named behind the problem."""
    for caption, tags in collection.captions_with(judge):
        yield Finding(
            path=caption.path,
            message=f"{problem}: {listed(tags)}",
            hint=hint,
            fixable=can_be_written(caption) and any(tags.values()),
            evidence={"tags": [*tags]},
        )


def respell(finding: Finding, collection: Collection, judge: Judge) -> Sequence[Change]:
    """The finding's caption with each of its pieces as it is spelled right."""
    return respelled(collection.read_captions[finding.path], lambda piece: judge(piece) or piece)
