"""Logs of JSON lines, each with the step that it belongs to: `loss.jsonl` and its like."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.atomic import make_folder, write_file
from trainer.errors import WriteError

AddRow = Callable[[Mapping[str, Any]], None]
"""Adds a line; the row has a whole `step`. Raises WriteError."""


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
    def appending(self) -> Iterator[AddRow]:
        """Opens the log; gives a function that adds a line, in one write, so that no reader sees half of it."""
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            yield lambda row: self._append(handle, row)
        finally:
            os.close(handle)

    def _append(self, handle: int, row: Mapping[str, Any]) -> None:
        line = (json.dumps(row) + "\n").encode()
        try:
            # A disk that is nearly full takes a part of it and says nothing.
            while line:
                line = line[os.write(handle, line) :]
        except OSError as error:
            reason = error.strerror or str(error)
            raise WriteError(f"{self.path}: cannot be written ({reason})", hint="check free space") from error


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The log's rows, without a line that a crash cut short; none where there is no such file."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if _step_of(line) != float("inf")]


def _step_of(line: bytes) -> float:
    """Infinity for a line that a crash cut short."""
    try:
        return int(json.loads(line)["step"]) if line.endswith(b"\n") else float("inf")
    except (ValueError, KeyError, TypeError):
        return float("inf")
