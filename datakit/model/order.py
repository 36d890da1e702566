"""The order of the stages; every other place derives it from here."""

from __future__ import annotations

from typing import Final

ORDER: Final = ("raw", "filtered", "edited", "captioned", "cleaned", "wip", "export")
RAW: Final = ORDER[0]
EXPORT: Final = ORDER[-1]
WIP: Final = ORDER[-2]
COMPUTED: Final = ORDER[1:-1]
"""Stages whose tree a function makes of the stage before."""


def before(stage: str) -> str:
    """The stage that this one is made from; raw has none."""
    return ORDER[ORDER.index(stage) - 1] if stage != RAW else ""
