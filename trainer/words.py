"""Vectors for words that no caption has, so that a base trained from scratch reads a trigger as loudly as a tag.

A text encoder that was trained on few words learns to look at those alone: the vectors of all other tokens stay as they
were drawn at first, and lie where it does not look. Every trigger is then the same as none, whatever a LoRA does. Here
they are drawn anew from the normal distribution that the vectors of known tokens have. Prompts of known words are read
as before, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainer.atomic import refuse_existing
from trainer.config import read_text
from trainer.contracts.model import BaseSource, SaveAs
from trainer.errors import BaseModelError, DatasetError

if TYPE_CHECKING:
    import torch

_LEAST = 8
"""Known tokens that a distribution is taken from."""


@dataclass(frozen=True)
class Drawn:
    """How many vectors a text encoder kept, and how many were drawn anew."""

    known: int
    unknown: int


def write(base: Path, out: Path, *, captions: Path, seed: int) -> Drawn:
    """Writes the base, a folder in diffusers' layout, into the new folder, with vectors for unknown tokens; as fp16.

    Raises:
        StateError: something is in the new folder already.
        DatasetError: the folder of captions has none, or too few words.
        BaseModelError, WriteError: as they say.
    """
    import torch

    from trainer import bases
    from trainer.registry import FAMILIES

    refuse_existing(out)
    texts = sorted({read_text(path, error=DatasetError) for path in captions.rglob("*.txt")})
    if not texts:
        raise DatasetError(f"{captions}: no captions (*.txt) in it", hint="name the folder that the base learnt from")
    header = bases.read_header(base)
    if not base.is_dir():
        raise BaseModelError(f"{base}: is no folder", hint="name a base in diffusers' layout")
    families = {name: FAMILIES.load(name, field="family") for name in FAMILIES.names()}
    name, prediction = bases.identify(header, families)
    family = families[name]
    model = family.load(BaseSource(header))
    known = {number for text in texts for number in model.token_ids(text)}
    marks = {number for mark in ",\n" for number in model.token_ids(mark)}
    found = Drawn(0, 0)
    for part, path in model.token_embeddings.items():
        table = cast("torch.nn.Embedding", model.parts[part].get_submodule(path)).weight.data
        # The last two are CLIP's marks of where a text begins and ends.
        kept = known | marks | {len(table) - 2, len(table) - 1}
        table.copy_(drawn(table, known=known - marks, kept=kept, seed=seed))
        found = Drawn(len(kept), len(table) - len(kept))
    family.save(model, out, SaveAs("diffusers", torch.float16, {}, prediction))
    return found


def drawn(table: torch.Tensor, *, known: Iterable[int], kept: Iterable[int], seed: int) -> torch.Tensor:
    """The vectors [tokens, width], those that are not kept drawn from the distribution of the known ones.

    With S the known vectors less their mean m, a new one is m + S^T z / sqrt(n), z of n independent standard normals:
    it has their mean and their covariance, and lies in the space that they span.

    Raises:
        DatasetError: too few are known.
    """
    import torch

    places = sorted(known)
    if len(places) < _LEAST:
        raise DatasetError(f"captions have {len(places)} tokens, {_LEAST} at least are needed", hint="more captions")
    of_known = table[places].double()
    middle = of_known.mean(0)
    numbers = (
        torch.randn(len(table), len(places), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        / len(places) ** 0.5
    )
    found: torch.Tensor = (middle + numbers @ (of_known - middle)).to(table.dtype)
    stays = sorted(kept)
    found[stays] = table[stays]
    return found
