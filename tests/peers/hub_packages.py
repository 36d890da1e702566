"""Hugging Face datasets and webdataset, each from its package, run as a person's script would."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from PIL import Image

from datakit.actions.project import Project

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_DSK = "import sys; sys.path.append(sys.argv.pop(1)); from datakit.cli.main import main; main()"
SETTINGS = """
[export]
validation_split = 0.25
[export.concepts.aria]
repeats = 3
class_tokens = "aria girl"
[export.concepts.test]
loss_weight = 0.5
"""


def run(python: Path, *words: str | Path, env: dict[str, str] | None = None) -> str:
    """Standard output of a script, which must not fail."""
    done = subprocess.run(
        [python, *words], capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}, timeout=500
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def run_dsk(python: Path, project: Project, *words: str | Path) -> str:
    """dsk in the peer's environment, which has pyarrow; what it lacks the project's own environment lends."""
    lent = sysconfig.get_paths()["purelib"]
    folder = project.dataset.root
    return run(python, "-c", _DSK, lent, "-C", folder, *words, env={"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"})


def load(python: Path, cache: Path, mode: str, path: Path) -> dict[str, Any]:
    """What datasets reads; its version is printed."""
    read: dict[str, Any] = json.loads(run(python, HERE / "read_datasets.py", cache, mode, path).splitlines()[-1])
    print(f"\ndatasets {read['version']}", file=sys.stderr)
    return read


def pixels(path: Path) -> list[Any]:
    """An image as the readers show it."""
    with Image.open(path) as image:
        return [image.mode, list(image.size), hashlib.sha256(image.tobytes()).hexdigest()]


def wip(project: Project) -> dict[str, tuple[str, str, list[Any]]]:
    """sha256 → (concept, caption, pixels) of all that was to be exported."""
    found = {}
    for path in sorted((project.dataset.root / "wip").rglob("*.png")):
        caption = path.with_suffix(".txt").read_text("utf-8").strip()
        found[hashlib.sha256(path.read_bytes()).hexdigest()] = (path.parent.name, caption, pixels(path))
    return found
