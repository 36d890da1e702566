"""Which pictures stay hard: each one's losses compared with those of the others at the same noise level.

Every draw of a picture in training is in `draws.jsonl`; what is made of them at the end, in `image-losses.json`. A
picture that is mislabelled, broken or of another kind is among the hardest; so are pictures that merely show more
than others. Three things decide a draw's loss more than the picture does: its noise level, how far training has come,
and chance. The first two are taken off, in the logarithm, and the third is weighed against.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from trainer.atomic import write_file
from trainer.data.items import Item
from trainer.losslog import read_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS, NAME = "draws.jsonl", "image-losses.json"
_BIN = 40
"""Draws that an expected loss is the mean of."""
_MOST_BINS = 32
_MAD_TO_DEVIATION = 1.4826
"""Standard deviation of a normal distribution / its median absolute deviation."""


@dataclass(frozen=True)
class Draws:
    """All draws of a run, a column each."""

    steps: NDArray[Any]
    indices: NDArray[Any]
    """Of the picture, in the run's items."""
    times: NDArray[Any]
    logs: NDArray[Any]
    """Natural logarithms of the bare errors."""


class ImageLoss(msgspec.Struct, frozen=True, kw_only=True):
    """How hard one picture is."""

    rank: int
    """Counted from 1, the hardest; by `z`."""
    path: str
    """As the dataset has it, below the folder of the run's TOML."""
    caption: str
    sha256: str
    """Of its file."""
    draws: int
    ratio: float
    """Its loss / that of the middle picture at the same noise level: the geometric mean over its draws."""
    late_ratio: float | None
    """The same over the second half of the run, where it was drawn there."""
    z: float
    """How far off, in standard deviations of what pictures differ by, chance included; above 3 is no accident."""


class ImageLosses(msgspec.Struct, frozen=True):
    """`image-losses.json`."""

    draws: int
    images: tuple[ImageLoss, ...]
    """The hardest first; without regularization pictures and those never drawn."""


def write(folder: Path, items: Sequence[Item], *, root: Path) -> Path:
    """Makes `image-losses.json` of the draws in `folder`, whose indices count `items`; paths are relative to `root`.

    Returns its path. Raises WriteError.
    """
    found = table(draws_of(read_rows(folder / DRAWS), items), items, root=root)
    content = ImageLosses(sum(image.draws for image in found), tuple(found))
    path = folder / NAME
    write_file(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    return path


def read(path: Path) -> ImageLosses:
    """What `write` made. Raises OSError, msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=ImageLosses)


def rows(found: Sequence[ImageLoss], limit: int = 10) -> list[tuple[str, ...]]:
    """Rows of a table of the hardest pictures, its head first."""
    head = ("rank", "picture", "draws", "loss", "late", "z", "caption")
    return [
        head,
        *(
            (
                str(image.rank),
                image.path,
                str(image.draws),
                f"x {image.ratio:.2f}",
                "" if image.late_ratio is None else f"x {image.late_ratio:.2f}",
                f"{image.z:+.1f}",
                image.caption,
            )
            for image in found[:limit]
        ),
    ]


def draws_of(logged: Sequence[Mapping[str, Any]], items: Sequence[Item]) -> Draws:
    """The draws of `draws.jsonl`'s rows that tell something: above 0, of pictures that are counted."""
    import numpy as np

    counted = [item.is_counted for item in items]
    kept = [
        (row["step"], index, time, math.log(loss))
        for row in logged
        for index, time, loss in row.get("draws", ())
        if 0 <= index < len(counted) and counted[index] and 0.0 < loss < math.inf
    ]
    columns = np.array(kept, dtype=np.float64).reshape(len(kept), 4).T
    return Draws(columns[0], columns[1].astype(int), columns[2], columns[3])


def table(draws: Draws, items: Sequence[Item], *, root: Path) -> list[ImageLoss]:
    """Each picture that was drawn, the hardest first."""
    import numpy as np

    if not len(draws.logs):
        return []
    off = draws.logs - expected(draws.times, draws.logs)
    off = off - expected(draws.steps, off)
    counts, means = _means(draws.indices, off, len(items))
    is_late = draws.steps > draws.steps.max() / 2
    late_counts, late = _means(draws.indices[is_late], off[is_late], len(items))
    scores = _scores(off - means[draws.indices], counts, means)
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda index: (-scores[index], index))
    return [
        ImageLoss(
            rank=place + 1,
            path=_name(items[index], root),
            caption=items[index].caption,
            sha256=items[index].digest,
            draws=int(counts[index]),
            ratio=round(math.exp(means[index]), 4),
            late_ratio=round(math.exp(late[index]), 4) if late_counts[index] else None,
            z=round(float(scores[index]), 3),
        )
        for place, index in enumerate(order)
    ]


def expected(places: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """What `values` [N] are on average near their places [N]: a line through the means of equal shares of them."""
    import numpy as np

    num_bins = min(_MOST_BINS, max(1, len(values) // _BIN))
    order = np.argsort(places, kind="stable")
    shares = [share for share in np.array_split(order, num_bins) if len(share)]
    centres, group = np.unique([places[share].mean() for share in shares], return_inverse=True)
    sizes = np.bincount(group, weights=[len(share) for share in shares])
    sums = np.bincount(group, weights=[values[share].sum() for share in shares])
    found: NDArray[Any] = np.interp(places, centres, sums / sizes)
    return found


def _means(indices: NDArray[Any], off: NDArray[Any], num: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draws of each picture, and how far off it is on average [num]: 0 for the middle one, and where none is drawn."""
    import numpy as np

    counts = np.bincount(indices, minlength=num)
    means = np.bincount(indices, weights=off, minlength=num) / np.maximum(counts, 1)
    middle = np.median(means[counts > 0]) if counts.any() else 0.0
    return counts, np.where(counts > 0, means - middle, 0.0)


def _scores(within: NDArray[Any], counts: NDArray[Any], means: NDArray[Any]) -> NDArray[Any]:
    """Each picture's distance from the middle in standard deviations [num].

    The variance of a picture's mean is that of chance, s^2 / draws, and that of pictures among each other, which is
    what their spread has beyond chance. The spread is told by the median, so that the odd ones do not hide themselves.
    """
    import numpy as np

    drawn = counts > 0
    spare = len(within) - int(drawn.sum())
    chance = float(within.var() * len(within) / spare) if spare else 0.0
    of_means = chance / np.maximum(counts, 1)
    spread = _MAD_TO_DEVIATION * float(np.median(np.abs(means[drawn])))
    among = max(0.0, spread**2 - float(np.median(of_means[drawn])))
    deviation = np.sqrt(of_means + among)
    found: NDArray[Any] = np.where(deviation > 0.0, means / np.where(deviation > 0.0, deviation, 1.0), 0.0)
    return found


def _name(item: Item, root: Path) -> str:
    """Below the run's own folder, else below the name of the folder it lies in: never a place on this computer."""
    if item.path.is_relative_to(root):
        return item.path.relative_to(root).as_posix()
    return f"{item.subset.image_dir.name}/{item.path.name}"
