"""Trainers that are no packages: their readers run in an environment of their own, with torch lent by the project's."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import Any

import pytest

_HERE = Path(__file__).parent


def environment(*packages: str) -> Path:
    """Python of an environment with these packages, made once and kept among the system's temporary files."""
    name = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"dsk-peers-{name}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        made = subprocess.run(
            [python, "-m", "pip", "install", "-q", *packages], capture_output=True, text=True, check=False
        )
        if made.returncode:
            pytest.skip(f"{' '.join(packages)} cannot be installed: {made.stderr.strip()[-500:]}")
        (folder / "complete").touch()
    return python


def read_by(python: Path, script: str, *arguments: str | Path) -> Any:
    """What a script beside this file prints as JSON on its last line; it has torch of the project's environment."""
    lent = {"LENT_PACKAGES": sysconfig.get_paths()["purelib"], "PYTHONPATH": str(_HERE), "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run(
        [python, _HERE / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | lent,
        timeout=500,
    )
    assert ran.returncode == 0, f"{ran.stdout[-2000:]}\n{ran.stderr[-6000:]}"
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    print(f"\n{script}: stood in for {', '.join(found.pop('stood_in')) or 'nothing'}", file=sys.stderr)
    return found
