"""Seeds for every random draw, from what the draw is for.

No generator is ever advanced from one draw to the next, so no draw depends on the order of the others, on
workers, on caches, or on whether the run was interrupted.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def seed_for(run_seed: int, *parts: str | int) -> int:
    """A 63-bit seed for the draw that `parts` describe, e.g. (item, epoch, "noise")."""
    text = "\x1f".join([str(run_seed), *(str(part) for part in parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def unit(run_seed: int, *parts: str | int) -> float:
    """A number in [0, 1), uniform over draws."""
    return (seed_for(run_seed, *parts) >> 10) / 2.0**53


def normal(shape: tuple[int, ...], run_seed: int, *parts: str | int) -> torch.Tensor:
    """Standard normal float32 numbers of this shape, drawn on the CPU so that every device sees the same."""
    import torch

    generator = torch.Generator().manual_seed(seed_for(run_seed, *parts))
    return torch.randn(shape, generator=generator)
