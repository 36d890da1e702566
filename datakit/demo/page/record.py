"""What the demonstration writes down for its page while it goes: the commands, their exit codes and times, seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from datakit.demo.page.facts import Record, Step

RECORD: Final = "record.json"
LINT_BEFORE: Final = "lint-before.json"
"""The report of `dsk lint --json` when the scrape had just come in."""
MEASURED: Final = "measured.json"


class Recorder:
    """Keeps the record on the disk, whole after each command."""

    def __init__(self, home: Path, seeds: Mapping[str, int]) -> None:
        self._home = home
        self._content: dict[str, Any] = {"seeds": dict(seeds), "steps": []}

    def add(self, cwd: Path, words: Sequence[str], *, code: int, seconds: float) -> None:
        """A command ended that ran in `cwd`, the demonstration's folder or one in it."""
        folder = cwd.relative_to(self._home).as_posix()
        row = {
            "folder": "" if folder == "." else folder,
            "words": list(words),
            "code": code,
            "seconds": round(seconds, 2),
        }
        self._content["steps"].append(row)
        draft = self._home / f".{RECORD}"
        draft.write_text(json.dumps(self._content, indent=1), "utf-8")
        draft.replace(self._home / RECORD)


def read_record(home: Path) -> Record:
    """What was written down; empty where nothing, or nothing readable, was."""
    found = read_json(home / RECORD)
    if not isinstance(found, dict):
        return Record()
    seeds = found.get("seeds")
    steps = found.get("steps")
    return Record(
        steps=tuple(_step(row) for row in steps if isinstance(row, dict)) if isinstance(steps, list) else (),
        seeds={str(name): seed for name, seed in seeds.items() if isinstance(seed, int)}
        if isinstance(seeds, dict)
        else {},
    )


def read_json(path: Path) -> Any:
    """A JSON file's content; None where there is none that can be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def number(value: object) -> float | None:
    """A finite number, or None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]


def _step(row: Mapping[str, Any]) -> Step:
    words = row.get("words")
    code = row.get("code")
    return Step(
        folder=str(row.get("folder", "")),
        words=tuple(map(str, words)) if isinstance(words, list) else (),
        code=code if isinstance(code, int) else 0,
        seconds=number(row.get("seconds")) or 0.0,
    )
