"""LoRA: each chosen linear map W gets a low-rank companion, W x + (alpha / rank) B A x.

Hu et al. 2021 (arXiv 2106.09685), eq. 3. A (`lora_down`) starts at random, B (`lora_up`) at zero, so that a
fresh adapter changes nothing. Linear layers only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from trainer.contracts import Adapter, AdapterSettings, Attached
from trainer.errors import ConfigError, LoraFileError, nearest, some
from trainer.seeds import seed_for

DOWN, UP, ALPHA = "lora_down.weight", "lora_up.weight", "alpha"


class LoraLinear(nn.Module):
    """A frozen linear layer and its companion."""

    def __init__(self, base: nn.Linear, rank: int, *, alpha: float) -> None:
        super().__init__()
        device = base.weight.device
        self.base = base
        self.rank = rank
        self.alpha = alpha
        self.enabled = True
        # Always float32: small updates to bf16 weights would be rounded away.
        self.down = nn.Parameter(torch.zeros(rank, base.in_features, device=device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=device))

    @property
    def scale(self) -> float:
        """alpha / rank."""
        return self.alpha / self.rank

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., out]."""
        out: torch.Tensor = self.base(hidden)
        if not self.enabled:
            return out
        low = functional.linear(hidden.to(self.down.dtype), self.down)
        return out + (functional.linear(low, self.up) * self.scale).to(out.dtype)

    def delta(self) -> torch.Tensor:
        """What the companion adds to the weight, [out, in]."""
        return (self.up @ self.down) * self.scale

    def start(self, seed: int) -> None:
        """A uniform as in kaiming_uniform(a=sqrt 5), which is +-1/sqrt(in); B zero."""
        generator = torch.Generator().manual_seed(seed)
        bound = self.base.in_features**-0.5
        with torch.no_grad():
            self.down.copy_(torch.empty(self.down.shape).uniform_(-bound, bound, generator=generator))
            self.up.zero_()


@dataclass(frozen=True)
class LoraAttached:
    """The companions on a model, by `<part>.<module path>`, in the model's order."""

    layers: Mapping[str, LoraLinear]
    parts: Mapping[str, nn.Module]

    def parameters(self) -> Iterator[nn.Parameter]:
        """All A and B."""
        for layer in self.layers.values():
            yield layer.down
            yield layer.up

    def state(self) -> dict[str, torch.Tensor]:
        """Every tensor, detached; alpha is a scalar."""
        state = {}
        for path, layer in self.layers.items():
            state[f"{path}.{DOWN}"] = layer.down.detach()
            state[f"{path}.{UP}"] = layer.up.detach()
            state[f"{path}.{ALPHA}"] = torch.tensor(layer.alpha)
        return state

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over the tensors, and alpha; the ranks must be those of this adapter."""
        mine = self.state()
        if strange := sorted(set(state) - set(mine)):
            raise LoraFileError(
                f"the adapter has no place for {some(strange, limit=3)}",
                hint="use the model and targets it was baked for",
            )
        if lacking := sorted(set(mine) - set(state)):
            raise LoraFileError(
                f"the adapter's file lacks {some(lacking, limit=3)}", hint="use the same targets and rank"
            )
        for name, tensor in state.items():
            if tensor.shape != mine[name].shape:
                raise LoraFileError(
                    f"{name} is {list(tensor.shape)}, expected {list(mine[name].shape)}",
                    hint="use the rank of the file",
                )
        with torch.no_grad():
            for path, layer in self.layers.items():
                layer.down.copy_(state[f"{path}.{DOWN}"])
                layer.up.copy_(state[f"{path}.{UP}"])
                layer.alpha = float(state[f"{path}.{ALPHA}"])

    def enable(self, on: bool) -> None:
        """Switches every companion on or off."""
        for layer in self.layers.values():
            layer.enabled = on

    def merge(self) -> None:
        """W becomes W + (alpha / rank) B A, and the plain layers go back to their places."""
        with torch.no_grad():
            for path, layer in self.layers.items():
                layer.base.weight += layer.delta().to(layer.base.weight.dtype)
                part, _, inner = path.partition(".")
                self.parts[part].set_submodule(inner, layer.base)


def attach(parts: Mapping[str, nn.Module], patterns: Sequence[str], *, settings: AdapterSettings) -> Attached:
    """Wraps each linear layer whose `<part>.<path>` matches a pattern. Raises ConfigError where one matches none."""
    chosen = _chosen(parts, patterns)
    layers = {}
    for path, linear in chosen.items():
        layer = LoraLinear(linear, settings.rank, alpha=settings.alpha)
        layer.start(seed_for(settings.seed, path, "lora-down"))
        part, _, inner = path.partition(".")
        parts[part].set_submodule(inner, layer)
        layers[path] = layer
    return LoraAttached(layers, parts)


def _chosen(parts: Mapping[str, nn.Module], patterns: Sequence[str]) -> dict[str, nn.Linear]:
    modules = {f"{part}.{path}": module for part, root in parts.items() for path, module in root.named_modules()}
    chosen: dict[str, nn.Linear] = {}
    for pattern in patterns:
        try:
            expression = re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"adapter.targets: {pattern!r} is no regular expression ({error})") from None
        matched = {path: module for path, module in modules.items() if expression.fullmatch(path)}
        if not matched:
            raise ConfigError(
                f"adapter.targets: {pattern!r} matches no module", hint=nearest(pattern, _linears(modules))
            )
        for path, module in matched.items():
            if not isinstance(module, nn.Linear):
                raise ConfigError(
                    f"adapter.targets: {path} is a {type(module).__name__}, not a linear layer",
                    hint="narrow the pattern to linear layers",
                )
            chosen[path] = module
    return {path: chosen[path] for path in modules if path in chosen}


def _linears(modules: Mapping[str, nn.Module]) -> list[str]:
    return [path for path, module in modules.items() if isinstance(module, nn.Linear)][:8]


ADAPTER = Adapter(name="lora", network_module="networks.lora", attach=attach)
