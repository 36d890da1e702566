"""An export on disk with real images, for a trainer's own code to read; and that code, run as a process of its own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from exports.export_material import item
from PIL import Image

from datakit.exports.model import Export, ExportItem, Material, Plan
from datakit.model.item import ImageRef

HERE = Path(__file__).parent
_LIMIT_S = 300


class Pictures:
    """Images by their digest: what the store is to an export."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}

    def item(self, key: str, caption: str, size_px: tuple[int, int], **fields: Any) -> ExportItem:
        """An item with an image of its own; `mask=True` for one whose left half counts."""
        extension = fields.pop("extension", "png")
        mask = self._mask(size_px) if fields.pop("mask", False) else None
        image = self._put(Image.new("RGB", size_px, f"#{hashlib.sha256(key.encode()).hexdigest()[:6]}"), extension)
        return item(key, caption, image=image, size_px=size_px, mask=mask, **fields)

    def write(self, plan: Plan, folder: Path) -> None:
        """All files of a plan."""
        files = {path: self._data[ref.sha256] for path, ref in plan.images.items()} | plan.texts
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)

    def _mask(self, size_px: tuple[int, int]) -> ImageRef:
        mask = Image.new("L", size_px, 0)
        mask.paste(255, (0, 0, size_px[0] // 2, size_px[1]))
        return self._put(mask, "png")

    def _put(self, picture: Image.Image, extension: str) -> ImageRef:
        stream = io.BytesIO()
        picture.save(stream, {"jpg": "jpeg"}.get(extension, extension))
        digest = hashlib.sha256(stream.getvalue()).hexdigest()
        self._data[digest] = stream.getvalue()
        return ImageRef(digest, len(stream.getvalue()), extension)


def written(export: Export, pictures: Pictures, material: Material, folder: Path) -> Plan:
    """The export in its folder, with the starter config of the material's recipe."""
    plan = export.plan(material)
    pictures.write(plan, folder)
    if export.configure and material.recipe:
        for name, data in export.configure(material, material.recipe).items():
            (folder / name).write_bytes(data)
    return plan


def checkout(variable: str) -> Path:
    """The checkout that an environment variable names; skips where it does not."""
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"{variable} names no checkout")
    return Path(path).absolute()


def read_back(reader: str, repository: Path, *arguments: str, python: str) -> dict[str, Any]:
    """What a reader says that a trainer made of an export.

    Args:
        reader: name of a script beside this file; it gets the checkout, the arguments, and a file to answer in.
        python: an environment variable with the trainer's own interpreter; else its `venv`, else this one.
    """
    own = repository / "venv" / "bin" / "python"
    program = os.environ.get(python) or (str(own) if own.exists() else sys.executable)
    answer = Path(arguments[0]).parent / "answer.json"
    command = [program, str(HERE / reader), str(repository), *arguments, str(answer)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIMIT_S, cwd=answer.parent)
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(answer.read_text("utf-8"))
    return found
