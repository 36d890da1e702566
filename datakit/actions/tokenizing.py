"""CLIP's tokenizer, made of the vocabulary that the trainer brings along."""

from __future__ import annotations

import bz2
import importlib.util
from functools import cache
from pathlib import Path
from typing import Final

from datakit.errors import TrainerError
from datakit.tags.tokens import Tokenizer

_WORDS: Final = Path("families", "assets", "clip_merges.txt.bz2")


@cache
def load_tokenizer() -> Tokenizer:
    """The tokenizer. Nothing of the trainer is imported: its data file is read where it lies.

    Raises:
        TrainerError: the file is not there.
    """
    spec = importlib.util.find_spec("trainer")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    for path in (Path(folder) / _WORDS for folder in folders):
        if path.is_file():
            return Tokenizer(_pairs(path))
    raise TrainerError("CLIP's vocabulary is missing: trainer/families/assets", hint="install dsk anew")


def _pairs(path: Path) -> list[tuple[str, str]]:
    lines = bz2.decompress(path.read_bytes()).decode().split("\n")
    return [(first, second) for first, _, second in (line.partition(" ") for line in lines)]
