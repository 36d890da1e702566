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


class Asker:
    """Puts questions to one dataset."""

    def __init__(self, root: Path) -> None:
        """`root` is the dataset's folder."""
        self._root = root
        self.unanswered: list[str] = []
        """What was asked in vain and why, a sentence each: what the page lacks."""

    def ask(self, *words: str) -> Any:
        """The command's answer; None where it has none."""
        command = [sys.executable, "-m", "datakit", *words, "--json"]
        try:
            done = subprocess.run(command, cwd=self._root, capture_output=True, check=False, timeout=_LONGEST_S)
            if done.returncode in {0, _FINDINGS}:
                return json.loads(done.stdout)
            why = f"ended with exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            why = f"took longer than {_LONGEST_S} s"
        except (OSError, ValueError) as error:
            why = f"gave no answer: {error}"
        self.unanswered.append(f"dsk {words[0]} {why}")
        return None

    def ask_table(self, *words: str) -> dict[str, Any] | None:
        """An answer that is an object."""
        found = self.ask(*words)
        return found if isinstance(found, dict) else None

    def ask_rows(self, *words: str) -> tuple[dict[str, Any], ...]:
        """An answer that is a list of objects; empty where it is not."""
        found = self.ask(*words)
        return tuple(row for row in found if isinstance(row, dict)) if isinstance(found, list) else ()
