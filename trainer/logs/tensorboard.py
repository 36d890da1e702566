"""Event files that TensorBoard shows, in `tensorboard` below the output folder; a file per sitting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from trainer.errors import MissingExtraError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
_LONGEST_PX = 2048
"""Larger pictures are shrunk: TensorBoard holds all of them in memory."""


class TensorBoard:
    """A sink that writes event files."""

    def __init__(self, folder: Path, *, step: int) -> None:
        """Opens a file that goes on from `step`, and takes back all that came after it in files of before.

        Raises MissingExtraError.
        """
        # Said of a run's beginning too: readers take the first such mark of a folder for the beginning.
        self._writer = _writer(folder, purge_step=step + 1 if step else 0)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """One scalar each."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, path: Path) -> None:
        """Shrunk where it is large."""
        with Image.open(path) as file:
            picture = file.convert("RGB")
        picture.thumbnail((_LONGEST_PX, _LONGEST_PX))
        pixels = np.asarray(picture)
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def flush(self) -> None:
        """Writes what waits: the library does so every two minutes only."""
        self._writer.flush()

    def close(self) -> None:
        """Writes what is left."""
        self._writer.close()


def _writer(folder: Path, *, purge_step: int) -> SummaryWriter:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError(
            "log.tensorboard: the library tensorboard is not installed",
            hint='pip install "dsk[logs]", or leave log.tensorboard out',
        ) from None
    return SummaryWriter(str(folder), purge_step=purge_step)
