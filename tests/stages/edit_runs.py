"""Running the stage `edited` over images that a test makes, as the pipeline does."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from datakit.config import decode
from datakit.model.item import ImageRef
from datakit.model.record import Record
from datakit.model.stage import Look, Product, Resources, Subject
from stages import edited

NO_RESOURCES: Any = None


def saved(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def turned(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def noise(width: int, height: int, mode: str = "RGB", seed: int = 1) -> Image.Image:
    """Pixels drawn at random, every one another."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(seed).integers(0, 256, (height, width, bands), dtype=np.uint8)
    return Image.frombytes(mode, (width, height), values.tobytes())


def array(image: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(image).astype(np.float64)


def record(**fields: Any) -> Record:
    return Record(sha256="a" * 64, size_bytes=3, original="a.png", imported_at="2024-01-01T00:00:00Z", **fields)


def subject(key: str, data: bytes = b"", **fields: Any) -> Subject:
    image = ImageRef(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), extension="png")
    return Subject(key=key, image=image, **fields)


def given(table: dict[str, Any]) -> edited.Given:
    resources: Resources = NO_RESOURCES
    prepared: edited.Given = edited.prepare(decode(table, edited.Settings, where="dsk.toml [edited]"), resources).given
    return prepared


def look(item: Subject, table: dict[str, Any]) -> Look:
    (found,) = edited.looks(item, given(table))
    return found


def edit(data: bytes, table: dict[str, Any] | None = None, *, key: str = "c/a", **fields: Any) -> Product:
    """What the stage makes of an image under these settings."""
    (product,) = edited.inspect(data, [look(subject(key, data, **fields), table or {})])
    return product


def step(data: bytes, do: str, **settings: Any) -> Product:
    """What one step alone makes of an image."""
    return edit(data, {"steps": [{"do": do, **settings}]})
