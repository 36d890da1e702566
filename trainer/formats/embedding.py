"""Textual inversion files: the vectors of one word, a tensor [number of vectors, width] per text encoder.

SD 1.5 calls its tensor `emb_params` (kohya-ss/sd-scripts:train_textual_inversion.py, save_weights); SDXL's two are
`clip_l` and `clip_g` (sdxl_train_textual_inversion.py). A1111, ComfyUI and diffusers read both; the word is the file's
name there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from trainer.atomic import write_file
from trainer.contracts.model import Family
from trainer.errors import LoraFileError
from trainer.formats import tensors_file


def save(
    path: Path,
    state: Mapping[str, torch.Tensor],
    *,
    family: Family,
    dtype: torch.dtype,
    metadata: Mapping[str, str],
) -> None:
    """Writes vectors named `<text part>.<path of its table>.vectors`, in this precision. Raises WriteError."""
    tensors = {family.embedding_keys[_part(name)]: tensor for name, tensor in state.items()}
    write_file(path, tensors_file.pack(tensors, dtype).content(metadata))


def load(path: Path, *, family: Family) -> dict[str, torch.Tensor]:
    """Text part -> its vectors [V, width], float32. Raises LoraFileError."""
    tensors, _ = tensors_file.read(path)
    known = {key: part for part, key in family.embedding_keys.items()}
    if set(tensors) != set(known):
        raise LoraFileError(
            f"{path}: has {', '.join(sorted(tensors)) or 'nothing'}, not {', '.join(sorted(known))}",
            hint=f"it is no word for {family.name}",
        )
    found = {known[key]: tensor.float() for key, tensor in tensors.items()}
    # A file of one vector may leave out the axis that counts them.
    found = {part: tensor[None] if tensor.dim() == 1 else tensor for part, tensor in found.items()}
    if any(tensor.dim() != 2 for tensor in found.values()):
        raise LoraFileError(f"{path}: vectors have 2 axes, these have others", hint="download or bake it again")
    return found


def to_state(vectors: Mapping[str, torch.Tensor], names: Iterable[str], *, family: Family) -> dict[str, torch.Tensor]:
    """The vectors of `load` by an adapter's own names. Raises LoraFileError where one has none."""
    wanted = {_part(name): name for name in names}
    if lacking := sorted(set(wanted) - set(vectors)):
        keys = ", ".join(family.embedding_keys.get(part, part) for part in lacking)
        raise LoraFileError(f"the embedding has no {keys}", hint=f"it is no word for {family.name}")
    return {name: vectors[part] for part, name in wanted.items()}


def _part(name: str) -> str:
    return name.partition(".")[0]
