"""Latents on disk, so that each picture is encoded once.

A key is the hash of everything that decides the latents: the contents of picture and mask, how they are resized, cut
and mirrored, the VAE's digest and the version of this code. An edited picture therefore never meets an old latent.
Views that vary from draw to draw are encoded each time and never stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from trainer.contracts.model import Model
from trainer.data.items import Item
from trainer.data.pixels import View, identity, read_view
from trainer.data.shards import Note, ShardStore, Tensors
from trainer.errors import DatasetError
from trainer.memory.placing import using

CODE_VERSION = 2
"""Raised with every change that makes other latents or masks of the same picture."""

Look = tuple[Item, View]


@dataclass(frozen=True)
class Latent:
    """A picture's latents, [C, H, W] each, float32, on the CPU: what the VAE says they are, and how unsure it is."""

    mean: torch.Tensor
    deviation: torch.Tensor
    mask: torch.Tensor | None = None
    """[H, W], 0 to 1, float32: how much of each latent's pixels counts; None where all do."""


def key(item: Item, view: View, *, vae_digest: str, stride_px: int) -> str:
    """Names the latents of this view; 64 hex digits. The item needs its digests."""
    if not item.digest or (item.mask_path is not None and not item.mask_digest):
        raise ValueError(f"{item.path}: has no digest yet")
    parts = (CODE_VERSION, vae_digest, stride_px, identity(item, view))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True)
class LatentCache:
    """Latents of one model in one folder. The model's VAE stays as it is."""

    folder: Path
    model: Model
    stride_px: int
    """Pixels per latent."""
    note: Note = lambda text: None
    """Told a sentence of each spoilt file."""
    vae_digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Names the VAE as it is now."""
        object.__setattr__(self, "vae_digest", self.model.vae_digest())

    @cached_property
    def store(self) -> ShardStore:
        """Where they lie; its index is read when first asked for."""
        return ShardStore(self.folder, "latents", self.note)

    def key(self, item: Item, view: View) -> str:
        """Names this view's latents."""
        return key(item, view, vae_digest=self.vae_digest, stride_px=self.stride_px)

    def has(self, item: Item, view: View) -> bool:
        """Whether it can be read rather than encoded, as far as the index knows."""
        return view.is_fixed and self.key(item, view) in self.store

    def latent(self, item: Item, view: View) -> Latent:
        """From the cache, or encoded, and kept where the view is fixed. Raises DatasetError, WriteError."""
        if not view.is_fixed:
            return self._encode([(item, view)])[0]
        name = self.key(item, view)
        found = self.store.get(name)
        if found is not None:
            return Latent(found["mean"], found["deviation"], found.get("mask"))
        made = self._encode([(item, view)])[0]
        self.store.put(name, _tensors(made))
        return made

    def fill(
        self, todo: Sequence[Look], *, batch_size: int, stop: Callable[[], bool], tell: Callable[[int], None]
    ) -> bool:
        """Encodes what is missing of fixed views, `batch_size` pictures of one size at a time; whether all is done.

        Ends early when `stop()`, with what was done on disk; `tell` gets the number of pictures after each batch.
        A picture that cannot be read is left out. Raises DatasetError, at the end, naming those; WriteError.
        """
        failures: list[DatasetError] = []
        self.store.refresh()
        missing = [look for look in todo if look[1].is_fixed and not self.has(*look)]
        try:
            with using(self.model, ["vae"] if missing else []):
                for batch in _by_size(missing, batch_size):
                    if stop():
                        return False
                    fresh = [look for look in batch if not self.has(*look)]
                    for look, latent in self._encode_readable(fresh, failures):
                        self.store.put(self.key(*look), _tensors(latent))
                    tell(len(batch))
        finally:
            self.store.flush()
        if failures:
            more = f" (and {len(failures) - 1} more like it)" if len(failures) > 1 else ""
            raise DatasetError(f"{failures[0].message}{more}", hint=failures[0].hint)
        return True

    def close(self) -> None:
        """Writes what has gathered. Raises WriteError."""
        self.store.flush()

    def _encode_readable(self, looks: Sequence[Look], failures: list[DatasetError]) -> Iterator[tuple[Look, Latent]]:
        read = []
        for look in looks:
            try:
                read.append((look, read_view(*look)))
            except DatasetError as error:
                failures.append(error)
        if read:
            made = self._encoded([pixels for _, pixels in read])
            yield from zip([look for look, _ in read], made, strict=True)

    def _encode(self, looks: Sequence[Look]) -> list[Latent]:
        return self._encoded([read_view(*look) for look in looks])

    def _encoded(self, views: Sequence[tuple[object, object]]) -> list[Latent]:
        pixels = torch.stack([torch.from_numpy(picture) for picture, _ in views])
        with torch.no_grad(), using(self.model, ["vae"]):
            mean, deviation = (part.float().cpu() for part in self.model.encode_pixels(pixels.to(self.model.device)))
        return [
            Latent(mean[n].clone(), deviation[n].clone(), None if mask is None else shrunk(mask, self.stride_px))
            for n, (_, mask) in enumerate(views)
        ]


def shrunk(mask: object, stride_px: int) -> torch.Tensor:
    """The mean of each latent's pixels: [h, w] becomes [h / stride, w / stride]."""
    pixels = torch.as_tensor(mask, dtype=torch.float32)
    height, width = (side // stride_px for side in pixels.shape)
    return pixels.reshape(height, stride_px, width, stride_px).mean(dim=(1, 3))


def _tensors(latent: Latent) -> Tensors:
    made = {"mean": latent.mean, "deviation": latent.deviation}
    return made if latent.mask is None else {**made, "mask": latent.mask}


def _by_size(looks: Iterable[Look], batch_size: int) -> Iterator[list[Look]]:
    """Batches of one bucket size each, as soon as they are full, then the rest."""
    waiting: dict[tuple[int, int], list[Look]] = {}
    for look in looks:
        batch = waiting.setdefault(look[0].fit.bucket_px, [])
        batch.append(look)
        if len(batch) >= batch_size:
            yield waiting.pop(look[0].fit.bucket_px)
    yield from waiting.values()
