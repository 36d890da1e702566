"""LoRA: each chosen map W gets a low-rank companion, W x + (alpha / rank) B A x; on convolutions a LoCon.

Hu et al. 2021 (arXiv 2106.09685), eq. 3. A (`lora_down`) starts at random, B (`lora_up`) at zero, so that a
fresh adapter changes nothing. A convolution's A has its kernel, stride, padding and dilation, its B is 1x1
(kohya-ss/sd-scripts:networks/lora.py); with `tucker` A is 1x1 too, and a third factor between them, `lora_mid`,
has the kernel (KohakuBlueleaf/LyCORIS:lycoris/modules/locon.py).

Dropout, in training alone, is that of sd-scripts: `dropout` zeroes values of A x, `rank_dropout` whole ranks of it,
per picture, and both make up for it by scale; `module_dropout` leaves a module's companion out, whose gradients are
zero then. The draws come from torch's global generators.

Readers scale by alpha / rank whatever the training, so rank stabilization (alpha / sqrt(rank), arXiv 2312.03732)
is folded into the alpha that is kept: alpha sqrt(rank), as LyCORIS does.

B batch, g the convolution's groups, r rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from trainer.adapters._places import DTYPES, check_dropout, check_fit, module_at, put
from trainer.contracts.adapter import Adapter, AdapterSettings, Attached, Group, Site
from trainer.contracts.model import Model
from trainer.errors import ConfigError
from trainer.memory.stored import restore, shape_of
from trainer.seeds import seed_for

DOWN, MID, UP, ALPHA = "lora_down.weight", "lora_mid.weight", "lora_up.weight", "alpha"


class LoraLayer(nn.Module):
    """A frozen linear layer or convolution and its companion."""

    def __init__(self, base: nn.Linear | nn.Conv2d, site: Site, *, settings: AdapterSettings) -> None:
        super().__init__()
        rank = site.rank
        self.base = base
        self.rank = rank
        self.dropout = site.dropout
        self.rank_dropout = settings.rank_dropout
        self.module_dropout = settings.module_dropout
        alpha = site.alpha * math.sqrt(rank) if settings.rank_stabilized else site.alpha
        self.alpha = float(torch.tensor(alpha))  # as float32, so that it comes back the same
        self.enabled = True
        self.dropping = False
        down, mid, up = _shapes(base, rank, tucker=settings.tucker)
        dtype = DTYPES[settings.dtype]
        self.down = nn.Parameter(torch.zeros(down, dtype=dtype))
        self.mid = nn.Parameter(torch.zeros(mid, dtype=dtype)) if mid else None
        self.up = nn.Parameter(torch.zeros(up, dtype=dtype))

    @property
    def scale(self) -> float:
        """alpha / rank."""
        return self.alpha / self.rank

    @property
    def weight(self) -> torch.Tensor:
        """The base's, which tells others its precision and device."""
        return self.base.weight

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., out], or [B, in, h, w] to [B, out, h', w']."""
        out: torch.Tensor = self.base(hidden)
        if not self.enabled:
            return out
        is_conv = isinstance(self.base, nn.Conv2d)
        # Autocast brings both to its own type, and needs no wider copy in between.
        if not torch.is_autocast_enabled(hidden.device.type):
            hidden = hidden.to(self.down.dtype)
        low = self._shrunk(hidden) if is_conv else functional.linear(hidden, self.down)
        scale = self.scale
        if self.dropping:
            low = self._dropped(low, axis=1 if is_conv else -1)
            # Zero rather than no gradient: a step in which every module is left out must still have one.
            scale *= not (self.module_dropout and torch.rand(()).item() < self.module_dropout)
        high = self._grown(low, hidden.shape[0]) if is_conv else functional.linear(low, self.up)
        return out + (high * scale).to(out.dtype)

    def delta(self) -> torch.Tensor:
        """What the companion adds to the weight, in its shape; float32."""
        up, down = self.up.float().flatten(1), self.down.float().flatten(1)
        if self.mid is None:
            return (up @ down).reshape(shape_of(self.base)) * self.scale
        return torch.einsum("op,pqhw,qi->oihw", up, self.mid.float(), down) * self.scale

    def named(self) -> dict[str, nn.Parameter]:
        """Its parameters by their names in files."""
        middle = {} if self.mid is None else {MID: self.mid}
        return {DOWN: self.down, **middle, UP: self.up}

    def place(self, device: torch.device) -> None:
        """Moves the companion; its base stays where it is."""
        for name in ("down", "mid", "up"):
            factor = getattr(self, name)
            if factor is not None:
                setattr(self, name, nn.Parameter(factor.detach().to(device)))

    def start(self, seed: int, path: str) -> None:
        """A (and the middle) uniform as in kaiming_uniform(a=sqrt 5), which is +-1/sqrt(fan in); B stays zero."""
        with torch.no_grad():
            for name, factor in (("lora-down", self.down), ("lora-mid", self.mid)):
                if factor is not None:
                    generator = torch.Generator().manual_seed(seed_for(seed, path, name))
                    bound = factor[0].numel() ** -0.5
                    factor.copy_(torch.empty(factor.shape).uniform_(-bound, bound, generator=generator))

    def _shrunk(self, hidden: torch.Tensor) -> torch.Tensor:
        """[B, in, h, w] to [B g, r, h', w']: all groups share A, as they do in A's matrix times B's."""
        base = self.base
        assert isinstance(base, nn.Conv2d)
        if base.padding_mode != "zeros":
            hidden = functional.pad(hidden, base._reversed_padding_repeated_twice, mode=base.padding_mode)
        padding = base.padding if base.padding_mode == "zeros" else 0
        hidden = hidden.reshape(hidden.shape[0] * base.groups, -1, *hidden.shape[2:])
        last = self.down
        if self.mid is not None:
            hidden, last = functional.conv2d(hidden, self.down), self.mid
        return functional.conv2d(hidden, last, stride=base.stride, padding=padding, dilation=base.dilation)

    def _grown(self, low: torch.Tensor, batch: int) -> torch.Tensor:
        """[B g, r, h', w'] to [B, out, h', w']."""
        assert isinstance(self.base, nn.Conv2d)
        return functional.conv2d(low.reshape(batch, -1, *low.shape[2:]), self.up, groups=self.base.groups)

    def _dropped(self, low: torch.Tensor, *, axis: int) -> torch.Tensor:
        low = functional.dropout(low, self.dropout) if self.dropout else low
        if not self.rank_dropout:
            return low
        shape = [low.shape[0]] + [1] * (low.dim() - 1)
        shape[axis] = self.rank
        kept = torch.rand(shape, device=low.device) >= self.rank_dropout
        return low * kept / (1.0 - self.rank_dropout)


@dataclass(frozen=True)
class LoraAttached:
    """The companions on a model, by `<part>.<module path>`, in the model's order."""

    layers: Mapping[str, LoraLayer]
    parts: Mapping[str, nn.Module]

    def groups(self) -> Sequence[Group]:
        """Per module A (with the middle), then B."""
        found = []
        for path, layer in self.layers.items():
            found.append(Group(path, "down", [layer.down] if layer.mid is None else [layer.down, layer.mid]))
            found.append(Group(path, "up", [layer.up]))
        return found

    def state(self) -> dict[str, torch.Tensor]:
        """Every tensor, detached; alpha is a scalar."""
        state: dict[str, torch.Tensor] = {}
        for path, layer in self.layers.items():
            state |= {f"{path}.{name}": factor.detach() for name, factor in layer.named().items()}
            state[f"{path}.{ALPHA}"] = torch.tensor(layer.alpha)
        return state

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over the tensors, and alpha; the ranks must be those of this adapter."""
        check_fit(self.state(), state)
        with torch.no_grad():
            for path, layer in self.layers.items():
                for name, factor in layer.named().items():
                    factor.copy_(state[f"{path}.{name}"])
                layer.alpha = float(state[f"{path}.{ALPHA}"])

    def train(self, on: bool) -> None:
        """Switches dropout on or off."""
        for layer in self.layers.values():
            layer.dropping = on

    def enable(self, on: bool) -> None:
        """Switches every companion on or off."""
        for layer in self.layers.values():
            layer.enabled = on

    def merge(self) -> None:
        """W becomes W + (alpha / rank) B A, and the plain layers go back to their places."""
        with torch.no_grad():
            for path, layer in self.layers.items():
                restore(layer.base)
                weight = layer.base.weight
                # One rounding, at the end, where the base is in half precision.
                weight.copy_(weight.float() + layer.delta())
                put(self.parts, path, module=layer.base)


def attach(model: Model, sites: Sequence[Site], *, settings: AdapterSettings) -> Attached:
    """Wraps each site's linear layer or convolution. Raises ConfigError."""
    check_dropout(sites, settings)
    layers = {}
    for site in sites:
        base = module_at(model.parts, site.path)
        if not isinstance(base, nn.Linear | nn.Conv2d):
            raise ConfigError(
                f"adapter.targets: {site.path} is a {type(base).__name__}, neither a linear layer nor a convolution",
                hint="narrow the pattern",
            )
        layer = LoraLayer(base, site, settings=settings)
        layer.start(settings.seed, site.path)
        layer.place(model.device)
        put(model.parts, site.path, module=layer)
        layers[site.path] = layer
    return LoraAttached(layers, model.parts)


def size_of(tensors: Mapping[str, torch.Tensor]) -> tuple[int, float] | None:
    """A's height, and alpha; without alpha the scale is 1."""
    if DOWN not in tensors:
        return None
    rank = tensors[DOWN].shape[0]
    return rank, float(tensors[ALPHA]) if ALPHA in tensors else float(rank)


def _shapes(
    base: nn.Linear | nn.Conv2d, rank: int, *, tucker: bool
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Of A, the middle (empty: none) and B."""
    height, width, *kernel = base.weight.shape
    if not kernel:
        return (rank, width), (), (height, rank)
    up = (height, rank, 1, 1)
    if tucker and max(kernel) > 1:
        return (rank, width, 1, 1), (rank, rank, *kernel), up
    return (rank, width, *kernel), (), up


ADAPTER = Adapter(name="lora", product="lora", attach=attach, network_module="networks.lora", size_of=size_of)
