"""What a place must offer that a run's numbers and pictures are sent to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Sink(Protocol):
    """Takes numbers and pictures of steps, in ascending order; several calls may be of one step."""

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Values by name after so many updates; a `/` in a name makes groups."""
        ...

    def picture(self, step: int, name: str, path: Path) -> None:
        """The picture in this file, as it is now."""
        ...

    def flush(self) -> None:
        """What was told so far stays, however the run ends; called before a checkpoint."""
        ...

    def close(self) -> None:
        """Sends what is left; nothing is sent after it."""
        ...
