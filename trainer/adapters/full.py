"""Full finetune: the base's own weights are trained, those of the chosen modules, and become a checkpoint.

There is no addition that could be switched off: what the base said before is gone with the first step.
Weights are float32 or bf16, as the base was loaded; in bf16 small updates would be rounded away, so what updates
them rounds up or down by chance (trainer/updates).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from trainer.adapters._places import DTYPES, check_fit, module_at
from trainer.contracts.adapter import Adapter, AdapterSettings, Attached, Group, Site
from trainer.contracts.model import Model
from trainer.errors import ConfigError, StateError


@dataclass(frozen=True)
class FullAttached:
    """The trained weights by module, in the model's order; a weight that two modules share is the first one's."""

    weights: Mapping[str, Mapping[str, nn.Parameter]]
    """`<part>.<module path>` -> the module's own weights by name, such as weight and bias."""

    def groups(self) -> Sequence[Group]:
        """One per module."""
        return [Group(path, "weight", list(own.values())) for path, own in self.weights.items()]

    def state(self) -> dict[str, torch.Tensor]:
        """The weights themselves, detached."""
        return {f"{path}.{name}": weight.detach() for path, own in self.weights.items() for name, weight in own.items()}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over the weights."""
        own = self.state()
        check_fit(own, state)
        with torch.no_grad():
            for name, tensor in state.items():
                own[name].copy_(tensor)

    def train(self, on: bool) -> None:
        """Nothing is ever dropped."""

    def enable(self, on: bool) -> None:
        """Raises StateError where it shall be off."""
        if not on:
            raise StateError(
                "a full finetune cannot be switched off: the base's own weights have changed",
                hint="load the base again to compare",
            )

    def merge(self) -> None:
        """There is nothing to add; the weights are frozen again."""
        for own in self.weights.values():
            for weight in own.values():
                weight.requires_grad_(False)


def attach(model: Model, sites: Sequence[Site], *, settings: AdapterSettings) -> Attached:
    """Lets the sites' own weights learn; ranks and dropout are of no matter. Raises ConfigError."""
    seen: set[int] = set()
    weights = {}
    for site in sites:
        own = dict(module_at(model.parts, site.path).named_parameters(recurse=False))
        own = {name: weight for name, weight in own.items() if id(weight) not in seen}
        seen.update(id(weight) for weight in own.values())
        for name, weight in own.items():
            if weight.dtype not in DTYPES.values():
                raise ConfigError(
                    f"adapter.name: full trains float32 or bf16 weights, {site.path}.{name} is {weight.dtype}",
                    hint='set memory.weights = "bf16"',
                )
            weight.requires_grad_(True)
        if own:
            weights[site.path] = own
    return FullAttached(weights)


ADAPTER = Adapter(name="full", product="checkpoint", attach=attach, kinds=(), reversible=False)
