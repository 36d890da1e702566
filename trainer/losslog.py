"""`loss.jsonl`: one line per step with step, epoch, loss, lr and seconds."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainer.atomic import make_folder, write_file


@dataclass(frozen=True)
class LossLog:
    """The log's file."""

    path: Path

    def cut(self, step: int) -> None:
        """Forgets what came after `step`: those steps will be done again."""
        make_folder(self.path.parent)
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.is_file() else []
        write_file(self.path, b"".join(line for line in lines if _step_of(line) <= step))

    @contextmanager
    def appending(self) -> Iterator[Callable[[dict[str, float | int]], None]]:
        """Opens the log; gives a function that adds a line, in one write, so that no reader sees half of it."""
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            yield lambda row: _append(handle, row)
        finally:
            os.close(handle)


def _append(handle: int, row: dict[str, float | int]) -> None:
    os.write(handle, (json.dumps(row) + "\n").encode())


def _step_of(line: bytes) -> float:
    """Infinity for a line that a crash cut short."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
