"""Latents on disk, so that each picture is encoded once.

A key is the hash of everything that decides the latents: the file's content, its bucket, how it was resized,
the flip, the VAE's digest and the version of this code. An edited picture therefore never meets an old latent.
Each file carries the digest of its own tensors: one that was torn by a crash is encoded again, not read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError

from trainer.atomic import write_file
from trainer.contracts import Model
from trainer.data.images import read_pixels
from trainer.data.items import Item

CODE_VERSION = 1
"""Raised with every change that makes other latents of the same picture."""


@dataclass(frozen=True)
class Latent:
    """A picture's latents, [C, H, W] each: what the VAE says they are, and how unsure it is."""

    mean: torch.Tensor
    deviation: torch.Tensor


def key(item: Item, vae_digest: str, *, flip: bool) -> str:
    """Names the latents of this picture; 64 hex digits."""
    parts = (CODE_VERSION, vae_digest, item.digest, item.fit, item.set.interpolation, flip)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True)
class LatentCache:
    """Latents of one model in one folder."""

    folder: Path
    model: Model
    vae_digest: str

    def latent(self, item: Item, *, flip: bool) -> Latent:
        """From the folder, or encoded and put there. Raises DatasetError, WriteError."""
        path = self._path(item, flip=flip)
        found = _read(path)
        if found is None:
            found = self._encode(item, flip=flip)
            _write(path, found)
        return found

    def has(self, item: Item, *, flip: bool) -> bool:
        """Whether a file of that name is there, whole or not."""
        return self._path(item, flip=flip).is_file()

    def _path(self, item: Item, *, flip: bool) -> Path:
        name = key(item, self.vae_digest, flip=flip)
        return self.folder / name[:2] / f"{name}.safetensors"

    def _encode(self, item: Item, *, flip: bool) -> Latent:
        # One picture at a time: its latents must not depend on who else was in the batch.
        pixels = torch.from_numpy(read_pixels(item.path, item.fit, interpolation=item.set.interpolation))[None]
        if flip:
            pixels = pixels.flip(-1)
        mean, deviation = self.model.encode_pixels(pixels.to(self.model.device))
        return Latent(mean[0].float().cpu().contiguous(), deviation[0].float().cpu().contiguous())


def _digest(latent: Latent) -> str:
    sums = hashlib.sha256()
    for tensor in (latent.mean, latent.deviation):
        sums.update(repr(tuple(tensor.shape)).encode())
        sums.update(tensor.numpy().tobytes())
    return sums.hexdigest()


def _write(path: Path, latent: Latent) -> None:
    tensors = {"mean": latent.mean, "deviation": latent.deviation}
    # Not synced: the digest inside tells a torn file, which only costs encoding again.
    write_file(path, safetensors.torch.save(tensors, {"digest": _digest(latent)}), durable=False)


def _read(path: Path) -> Latent | None:
    """None where there is no whole file."""
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            latent = Latent(file.get_tensor("mean"), file.get_tensor("deviation"))
            digest = (file.metadata() or {}).get("digest")
    except SafetensorError:
        return None
    return latent if digest == _digest(latent) else None
