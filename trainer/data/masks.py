"""Masks of pictures: files of the same name in another folder; white counts, black does not.

A mask may have any extension that pictures have, may be grey or coloured (its brightness is taken), and another
size of the same shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageChops

from trainer.data import decoding
from trainer.data.subsets import Subset
from trainer.errors import DatasetError, some

_SHAPE_TOLERANCE_PX = 1.5


def find(subset: Subset, paths: Sequence[Path], *, notes: list[str]) -> dict[Path, Path]:
    """Each picture's mask; nothing where the subset has none. Raises DatasetError where some lack."""
    if subset.mask_dir is None:
        return {}
    masks = _by_stem(subset.mask_dir)
    lacking = [path.name for path in paths if path.stem not in masks]
    if lacking:
        raise DatasetError(
            f"{subset.mask_dir}: {len(lacking)} pictures have no mask: {some(lacking)}",
            hint="make them, white where the picture counts; or put these pictures into a subset without masks",
        )
    stems = {path.stem for path in paths}
    extra = [masks[stem].name for stem in sorted(masks) if stem not in stems]
    if extra:
        notes.append(f"{subset.mask_dir}: masks without a picture: {some(extra)}")
    return {path: masks[path.stem] for path in paths}


def check_size(path: Path, size_px: tuple[int, int]) -> None:
    """Raises DatasetError where the mask at `path` is not of the shape of a picture of this size."""
    width, height = decoding.read_size(path)
    off = abs(width * size_px[1] - height * size_px[0])
    if off > _SHAPE_TOLERANCE_PX * max(width, height, *size_px):
        raise DatasetError(
            f"{path}: the mask has {width}x{height} px, its picture {size_px[0]}x{size_px[1]}: another shape",
            hint="make the mask of the picture's size",
        )


def read(path: Path, size_px: tuple[int, int]) -> Image.Image:
    """The mask, 8 bits grey, brought to the size of its picture. Raises DatasetError."""
    with decoding.opened(path) as file:
        mask = decoding.grey(decoding.upright(file))
    return mask if mask.size == size_px else mask.resize(size_px, Image.Resampling.BILINEAR)


def both(first: Image.Image | None, second: Image.Image) -> Image.Image:
    """A mask that counts as far as both do."""
    return second if first is None else ImageChops.multiply(first, second)


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in decoding.extensions() and not path.name.startswith("."):
                found.setdefault(path.stem, path)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be listed ({error.strerror})", hint="check its permissions") from None
    return found
