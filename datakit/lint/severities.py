"""How much a finding weighs."""

from __future__ import annotations

from typing import Final, Literal

Severity = Literal["error", "warning", "info"]
Level = Literal["error", "warning", "info", "off"]

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "info")
"""The worst first."""
LEVELS: Final[tuple[Level, ...]] = (*SEVERITIES, "off")
