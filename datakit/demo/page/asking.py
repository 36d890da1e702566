"""Questions to dsk, asked as a person would: the command with --json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

_FINDINGS: Final = 1
"""The exit code of commands that answered and found something."""
_LONGEST_S: Final = 120


def ask(root: Path, *words: str) -> Any:
    """The command's answer; None where it has none, because the dataset is not that far."""
    command = [sys.executable, "-m", "datakit", *words, "--json"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=_LONGEST_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode not in {0, _FINDINGS}:
        return None
    try:
        return json.loads(done.stdout)
    except ValueError:
        return None


def ask_table(root: Path, *words: str) -> dict[str, Any] | None:
    """An answer that is an object."""
    found = ask(root, *words)
    return found if isinstance(found, dict) else None


def ask_rows(root: Path, *words: str) -> tuple[dict[str, Any], ...]:
    """An answer that is a list of objects; empty where it is not."""
    found = ask(root, *words)
    return tuple(row for row in found if isinstance(row, dict)) if isinstance(found, list) else ()
