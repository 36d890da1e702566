"""What tests write into a scrape: pictures, sidecars, small posts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image


def picture(path: Path, colour: str = "red", size_px: tuple[int, int] = (300, 280)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_px, colour).save(path)
    return path


def sidecar(image: Path, **fields: Any) -> Path:
    """`x.png.json` beside `x.png`, of a danbooru post unless `category` says otherwise."""
    path = image.with_name(f"{image.name}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"category": "danbooru", "tag_string_general": "1girl hat", **fields}))
    return path
