"""bfloat16 weights that small updates still move: rounding up or down by chance, right on average.

bfloat16 has 8 bits of a number; an update of a thousandth of the weight is rounded away, each time. Here the result
is float32, and which of its two neighbours is stored is drawn by how near they are (Gupta et al. 2015,
arXiv 1502.02551, section 3).
"""

from __future__ import annotations

import torch

_LOW = 1 << 16
"""float32 has 16 bits below those that bfloat16 keeps."""


def rounded(numbers: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """float32 `numbers` as bfloat16; each is the neighbour above as often as it is near to it.

    Numbers that bfloat16 has stay what they are; so do infinities and NaN. The generator is of the same device.
    """
    bits = numbers.view(torch.int32)
    # Drawn for the numbers in their logical order, so that the layout in memory decides nothing.
    noise = torch.randint(_LOW, bits.shape, dtype=torch.int32, generator=generator, device=bits.device)
    up = noise.add_(bits).bitwise_and_(-_LOW).view(torch.float32)
    return torch.where(torch.isfinite(numbers), up, numbers).to(torch.bfloat16)


class Dice:
    """Generators, one a device, that are seeded anew for each thing to round."""

    def __init__(self) -> None:
        self._made: dict[torch.device, torch.Generator] = {}

    def seeded(self, device: torch.device, seed: int) -> torch.Generator:
        """The device's generator, as if it had just been made with this seed."""
        generator = self._made.get(device)
        if generator is None:
            generator = self._made[device] = torch.Generator(device)
        return generator.manual_seed(seed)
