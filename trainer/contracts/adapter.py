"""What of a network is trained: a small addition to it, all of it, or a new word's vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch

    from trainer.contracts.model import Model

Role = Literal["down", "up", "weight", "vector"]
"""down: the first factor of a product, up: its last one, which starts at zero; weight: of the base itself."""
Product = Literal["lora", "checkpoint", "embedding"]


@dataclass(frozen=True)
class Site:
    """A module that is adapted."""

    path: str
    """`<part>.<module path>`."""
    rank: int
    alpha: float
    dropout: float = 0.0
    """Share of the module's hidden values that are dropped in training."""


@dataclass(frozen=True)
class AdapterSettings:
    """What all modules have in common."""

    seed: int
    """Decides the first weights, together with each module's path."""
    rank_dropout: float = 0.0
    """Share of ranks dropped in training."""
    module_dropout: float = 0.0
    """How often a module is left out of a training step."""
    rank_stabilized: bool = False
    """Scale alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski 2023, arXiv 2312.03732)."""
    tucker: bool = False
    """Convolutions are taken apart into three factors rather than two."""
    factor: int = -1
    """LoKr: size of the smaller Kronecker factor; -1: as near a square root as divides."""
    full_matrix: bool = False
    """LoKr: the larger factor is not taken apart."""
    constraint: float = 0.0
    """OFT: how far the rotation may go; 0: as far as it likes."""
    word: str = ""
    """Textual inversion: the word whose vectors are learnt."""
    num_vectors: int = 1
    """Textual inversion: how many vectors it has."""
    init_text: str = ""
    """Textual inversion: a text whose vectors it starts from."""
    dtype: Literal["fp32", "bf16"] = "fp32"
    """How the adapter's matrices are held; a full finetune's are as the base was loaded."""


@dataclass(frozen=True)
class Group:
    """Parameters that share a place and a role."""

    path: str
    """`<part>.<module path>` that they belong to."""
    role: Role
    parameters: Sequence[torch.nn.Parameter]


class Attached(Protocol):
    """An adapter on a model's parts. Tensors are named `<part>.<module path>.<suffix>`."""

    def groups(self) -> Sequence[Group]:
        """What the optimizer changes, in a fixed order."""
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """Every tensor of the adapter, as it is now, detached, not copied."""
        ...

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over the tensors of `state`. Raises LoraFileError where names or shapes do not fit."""
        ...

    def train(self, on: bool) -> None:
        """Switches dropout on or off; off at first."""
        ...

    def enable(self, on: bool) -> None:
        """Switches the adapter's effect on or off. Raises StateError where it is not reversible."""
        ...

    def merge(self) -> None:
        """Adds the adapter's effect to the base weights and takes the adapter off; cannot be undone."""
        ...


def parameters_of(adapter: Attached) -> list[torch.nn.Parameter]:
    """All that the adapter learns, in the order of its groups."""
    return [parameter for group in adapter.groups() for parameter in group.parameters]


class Attach(Protocol):
    """Puts the adapter on the sites, in place; its effect is nothing so far. Raises ConfigError."""

    def __call__(self, model: Model, sites: Sequence[Site], *, settings: AdapterSettings) -> Attached:
        """The adapter, its parameters of `settings.dtype` and on the model's device, wherever the networks lie."""
        ...


@dataclass(frozen=True)
class Adapter:
    """A kind of thing to train."""

    name: str
    product: Product
    """What file it becomes."""
    attach: Attach
    kinds: tuple[str, ...] = ("Linear", "Conv2d")
    """Class names of the modules that can be a site; empty: every module that has weights of its own."""
    reversible: bool = True
    """Whether its effect can be switched off."""
    network_module: str = ""
    """`ss_network_module`, which tools read to tell the kinds apart."""
    algo: str = ""
    """LyCORIS' name of the kind, in `ss_network_args`; empty for sd-scripts' own."""
    size_of: Callable[[Mapping[str, torch.Tensor]], tuple[int, float] | None] | None = None
    """Rank and alpha of one module's tensors by suffix, as a file has them; None where they do not tell."""
