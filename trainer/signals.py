"""Ctrl-C and termination as a wish that is granted between two steps."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_HEARD = (signal.SIGINT, signal.SIGTERM)


@dataclass
class StopWish:
    """Whether somebody asked the run to stop."""

    made: bool = False

    def __call__(self) -> bool:
        """True once asked."""
        return self.made


def never() -> bool:
    """What is not to be stopped."""
    return False


@contextmanager
def stop_wish() -> Iterator[StopWish]:
    """Notes the first signal; a second one acts as it did before, at once."""
    wish = StopWish()
    before = {number: signal.getsignal(number) for number in _HEARD}

    def hear(number: int, frame: FrameType | None) -> None:
        wish.made = True
        for heard, handler in before.items():
            signal.signal(heard, handler)

    for number in _HEARD:
        signal.signal(number, hear)
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
