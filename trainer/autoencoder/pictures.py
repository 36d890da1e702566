"""The pictures that a VAE is trained on: squares of one size, all in memory, one byte a number."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from trainer.data.decoding import extensions, flattened, opened, upright
from trainer.errors import DatasetError, InterruptedRun, OutOfMemoryError


@dataclass(frozen=True)
class Pictures:
    """Pixels [N, 3, H, W], uint8, channels last in memory."""

    trained: torch.Tensor
    held_out: torch.Tensor
    skipped: tuple[str, ...]
    """Files that could not be read, relative to their folder."""
    digest: str
    """Of all pixels in their order."""


def paths(folder: Path, *, but: Path | None = None) -> list[Path]:
    """Every picture file in the folder and below, sorted, but hidden ones and those in `but`, the run's own folder.

    Raises DatasetError where there is none, or a folder cannot be read.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder", hint="correct data.folder")
    found = []
    for here, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".") and Path(here, name) != but]
        found += [Path(here, name) for name in names if not name.startswith(".")]
    known = extensions()
    pictures = sorted(path.relative_to(folder).as_posix() for path in found if path.suffix.lower() in known)
    if not pictures:
        raise DatasetError(f"{folder}: holds no picture", hint=f"files that are read: {', '.join(sorted(known))}")
    return [folder / name for name in pictures]


def _unreadable(error: OSError) -> None:
    raise DatasetError(f"{error.filename}: cannot be read ({error.strerror})", hint="check its permissions")


def square(path: Path, side_px: int) -> Image.Image:
    """The picture as RGB; the largest square in its middle, resized (Lanczos), unless it is one of this size.

    Raises DatasetError.
    """
    with opened(path) as file:
        image = flattened(upright(file))
        width, height = image.size
        if (width, height) == (side_px, side_px):
            image.load()
            return image
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        # Cut first: a resize of a part looks beyond its edges.
        middle = image.crop((left, top, left + side, top + side))
        return middle.resize((side_px, side_px), Image.Resampling.LANCZOS)


def read(
    folder: Path,
    found: Sequence[Path],
    *,
    side_px: int,
    held_out: int,
    tell: Callable[[str], None],
    stop: Callable[[], bool],
) -> Pictures:
    """Decodes all; `tell` hears each file's complaint, or nothing. Raises DatasetError where too few are left."""
    try:
        pixels = np.empty((len(found), side_px, side_px, 3), np.uint8)
    except (MemoryError, ValueError) as error:  # NumPy's ValueError: more than any computer has
        raise OutOfMemoryError(
            f"{len(found)} pictures of {side_px} px do not fit into memory", hint="lower data.resolution"
        ) from error
    skipped, count = [], 0
    for path in found:
        if stop():
            raise InterruptedRun("stopped before the first step", hint="run the same command again")
        try:
            pixels[count] = np.asarray(square(path, side_px))
        except DatasetError as error:
            skipped.append(path.relative_to(folder).as_posix())
            tell(f"skipped: {error.message}")
            continue
        count += 1
        tell("")
    if count <= held_out:
        raise DatasetError(
            f"{folder}: holds {count} pictures that can be read, and {held_out} are held out",
            hint="lower data.held_out, or name a folder with more",
        )
    kept = pixels[:count]
    whole = torch.from_numpy(kept).permute(0, 3, 1, 2)
    digest = hashlib.sha256(kept.data).hexdigest()
    return Pictures(whole[:-held_out], whole[-held_out:], tuple(skipped), digest)


def as_floats(pixels: torch.Tensor) -> torch.Tensor:
    """0..255 as -1..1."""
    return pixels.float() / 127.5 - 1


def as_bytes(pixels: torch.Tensor) -> torch.Tensor:
    """-1..1 as 0..255."""
    return ((pixels + 1) * 127.5).round().clamp(0, 255).byte()
