"""How many numbers a run holds: the networks', and those of what is trained, told by the base's header alone.

Modules are chosen by the very rules that training goes by (trainer/targeting.py), on stand-ins of the networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainer import targeting
from trainer.contracts.adapter import Site
from trainer.contracts.model import BaseHeader, Family
from trainer.errors import BaseModelError
from trainer.memory import shapes
from trainer.memory.shapes import Settings
from trainer.sections import AdapterConfig

FULL, WORD = "full", "textual_inversion"
_NARROW = 16
"""Layers with fewer inputs or outputs are never kept as fp8 or away."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Trained:
    """Numbers of what the optimizer changes."""

    total: int = 0
    largest: int = 0
    """Of the largest tensor."""
    lines: int = 0
    """Rows and columns of all tensors, as optimizers that factor them keep."""
    by_part: Mapping[str, int] | None = None
    """Of the base's own numbers, those that are trained or changed by a companion, by network."""

    def of(self, part: str) -> int:
        """Numbers of a network that are trained or changed."""
        return (self.by_part or {}).get(part, 0)

    @property
    def text(self) -> bool:
        """Whether a text encoder learns."""
        return any(part.startswith("text_encoder") and num for part, num in (self.by_part or {}).items())


@dataclass(frozen=True)
class Sizes:
    """Numbers of each network, and of what is trained."""

    networks: Mapping[str, int]
    """unet, vae and text encoders."""
    storable: int
    """Of the UNet's, those that can be held as fp8 or in main memory while they are not trained."""
    largest: int
    """Of the UNet's largest weight."""
    text_widths: int
    """Widths of the text encoders' layers, added up."""
    trained: Trained

    @property
    def unet(self) -> int:
        """Numbers of the network that learns to paint."""
        return self.networks["unet"]

    @property
    def text(self) -> int:
        """Numbers of all text encoders."""
        return sum(num for part, num in self.networks.items() if part.startswith("text_encoder"))


def of(config: AdapterConfig, *, family: Family, base: BaseHeader | None) -> Sizes:
    """Sizes of the base with what the config trains. Raises BaseModelError, ConfigError."""
    found = _shapes(family, base)
    counts = {part: sum(math.prod(shape) for shape in own.values()) for part, own in found.items()}
    storable = [math.prod(shape) for shape in found["unet"].values() if len(shape) > 1 and min(shape[:2]) >= _NARROW]
    largest = max(map(math.prod, found["unet"].values()))
    widths = [shape[0] for own in found.values() for name, shape in own.items() if name.endswith("layer_norm1.weight")]
    return Sizes(counts, sum(storable), largest, sum(widths), _trained(config, found, family=family))


def settings(family: Family, base: BaseHeader | None) -> Mapping[str, Settings]:
    """Settings of the networks by part. Raises BaseModelError."""
    if base is None:
        from trainer.families import tiny

        return {"unet": tiny.UNET, "vae": tiny.VAE, "text_encoder": tiny.TEXT}
    if base.configs:
        parts = ("unet", "vae", *family.embedding_keys)
        return {part: base.configs.get(f"{part}/config.json", {}) for part in parts}
    from trainer.families._network_settings import network_settings

    return network_settings(base, family.name)  # type: ignore[arg-type]


def _shapes(family: Family, base: BaseHeader | None) -> dict[str, shapes.Shapes]:
    try:
        return {part: shapes.of(part, own) for part, own in settings(family, base).items()}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        where = base.path if base else family.name
        raise BaseModelError(
            f"{where}: its settings describe no network of the family {family.name} ({error!r})",
            hint="copy the base model again",
        ) from None


def _trained(config: AdapterConfig, found: Mapping[str, shapes.Shapes], *, family: Family) -> Trained:
    if config.name == WORD:
        tables = {part: own[f"{_TABLE}.weight"] for part, own in found.items() if f"{_TABLE}.weight" in own}
        return _sum(
            [(config.num_vectors, shape[1]) for shape in tables.values()],
            {part: config.num_vectors * shape[1] for part, shape in tables.items()},
        )
    networks: Any = {part: _Network(own) for part, own in found.items() if part != "vae"}
    kinds = () if config.name == FULL else ("Linear", "Conv2d")
    sites = targeting.sites(networks, family, config, kinds=kinds)
    by_part: dict[str, int] = {}
    tensors: list[Shape] = []
    for site in sites:
        part, _, path = site.path.partition(".")
        own = networks[part].modules[path].shapes
        by_part[part] = by_part.get(part, 0) + sum(map(math.prod, own if config.name == FULL else own[:1]))
        tensors += own if config.name == FULL else _companion(own[0], site, config=config)
    return _sum(tensors, by_part)


_TABLE = "embeddings.token_embedding"


def _sum(tensors: Sequence[Shape], by_part: Mapping[str, int]) -> Trained:
    numbers = [math.prod(shape) for shape in tensors]
    return Trained(sum(numbers), max(numbers, default=0), sum(map(_lines, tensors)), by_part)


def _lines(shape: Shape) -> int:
    """Numbers of a factored second moment: over the last two axes, as Adafactor's authors have it."""
    number = math.prod(shape)
    return number // shape[-1] + number // shape[-2] if len(shape) > 1 else number


class _Module:
    """A module of the networks' library, as far as choosing it needs."""

    def __init__(self, own: Sequence[Shape]) -> None:
        self.shapes = tuple(own)

    def parameters(self, recurse: bool = True) -> Iterator[Shape]:
        return iter(self.shapes)


class Linear(_Module):
    """Stands for torch's; known by its name."""


class Conv2d(_Module):
    """Stands for torch's; known by its name."""

    @property
    def kernel_size(self) -> Shape:
        """Height and width."""
        return self.shapes[0][2:]


class _Network:
    def __init__(self, own: shapes.Shapes) -> None:
        paths: dict[str, list[Shape]] = {}
        for name, shape in own.items():
            paths.setdefault(name.rpartition(".")[0], []).append(shape)
        self.modules = {path: _kind(path, shape[0])(shape) for path, shape in paths.items()}

    def named_modules(self) -> Iterator[tuple[str, _Module]]:
        return iter(self.modules.items())


def _kind(path: str, shape: Shape) -> type[_Module]:
    if len(shape) == 4:
        return Conv2d
    return Linear if len(shape) == 2 and "embeddings." not in path else _Module


def _companion(shape: Shape, site: Site, *, config: AdapterConfig) -> list[Shape]:
    """The tensors that a kind of adapter has beside a weight [out, in, ...]."""
    height, kernel = shape[0], shape[2:]
    is_tucker = config.tucker and max(kernel, default=1) > 1
    made: Callable[[], list[Shape]] = {
        "lora": lambda: _pair(shape, site.rank, is_tucker),
        "dora": lambda: [*_pair(shape, site.rank, is_tucker), (height, *[1] * (len(shape) - 1))],
        "loha": lambda: _loha(shape, site.rank, is_tucker),
        "lokr": lambda: _lokr(shape, site.rank, config=config, is_tucker=is_tucker),
        "oft": lambda: [_blocks(height, site.rank)],
        # A kind that is not known here: as much as a LoRA.
    }.get(config.name, lambda: _pair(shape, site.rank, is_tucker))
    return made()


def _pair(shape: Shape, rank: int, is_tucker: bool) -> list[Shape]:
    height, width, *kernel = shape
    if is_tucker:
        return [(rank, width, 1, 1), (rank, rank, *kernel), (height, rank, 1, 1)]
    return [(rank, width, *kernel), (height, rank, *[1] * len(kernel))]


def _loha(shape: Shape, rank: int, is_tucker: bool) -> list[Shape]:
    height, width, *kernel = shape
    if is_tucker:
        return [(rank, rank, *kernel), (rank, height), (rank, width)] * 2
    return [(height, rank), (rank, width * math.prod(kernel))] * 2


def _lokr(shape: Shape, rank: int, *, config: AdapterConfig, is_tucker: bool) -> list[Shape]:
    height, width, *kernel = shape
    (up_1, up_2), (in_1, in_2) = factors(height, config.factor), factors(width, config.factor)
    first = (up_1, in_1)
    if rank >= max(up_2, in_2) / 2 or config.full_matrix:
        return [first, (up_2, in_2, *kernel)]
    if is_tucker:
        return [first, (rank, rank, *kernel), (rank, up_2), (rank, in_2)]
    return [first, (up_2, rank), (rank, in_2 * math.prod(kernel))]


def _blocks(height: int, rank: int) -> Shape:
    size, number = factors(height, rank)
    return (number, size, size)


def factors(dimension: int, bound: int) -> tuple[int, int]:
    """Two factors, the smaller first and at most `bound`, as near to each other as may be; -1: without bound.

    A bound that divides is one of the two, whichever it is (lycoris-lora 4.1, functional/general.py).
    """
    if bound > 0 and dimension % bound == 0:
        return min(bound, dimension // bound), max(bound, dimension // bound)
    limit = dimension if bound < 0 else bound
    small = max(
        one for one in range(1, math.isqrt(dimension) + 1) if dimension % one == 0 and (one <= limit or one == 1)
    )
    return small, dimension // small
