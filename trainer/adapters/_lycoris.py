"""What LoHa, LoKr, DoRA and OFT share: each adds a change to a module's weight, W x + b becomes (W + change) x + b.

The tensors, their first values and names are those of LyCORIS (Yeh et al. 2023, arXiv 2309.14859; package
lycoris-lora, KohakuBlueleaf/LyCORIS), whose modules hold them here and whose functions make the change. How a
module is wrapped, dropped and merged is done here for all kinds alike, because in lycoris-lora 4.1.3
LohaModule.get_diff_weight and LokrModule.get_diff_weight multiply by alpha / rank twice, so that `merge_to` is
not what `forward` did, and LoKr's rank dropout draws its mask on the CPU whatever the weight's device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional

from trainer.adapters._places import DTYPES, check_dropout, check_fit, module_at
from trainer.contracts.adapter import AdapterSettings, Group, Role, Site
from trainer.contracts.model import Model
from trainer.errors import ConfigError, MissingExtraError
from trainer.memory.stored import device_of, restore, shape_of, weight_of
from trainer.seeds import seed_for

ALPHA = "alpha"
Tensors = Mapping[str, torch.Tensor]


class Drop(Protocol):
    """Sets a share of a tensor's slices along `axis` to zero while training, and enlarges the others."""

    def __call__(self, tensor: torch.Tensor, axis: int) -> torch.Tensor:
        """The same shape."""
        ...


@dataclass(frozen=True)
class Request:
    """All that a kind needs to make one module's tensors."""

    module: nn.Module
    site: Site
    settings: AdapterSettings


@dataclass(frozen=True)
class Seen:
    """All that a kind needs to work out one module's change; everything float32 and on one device."""

    module: nn.Module
    tensors: Tensors
    """By suffix."""
    alpha: float
    """As a file has it: the change is multiplied by alpha / rank."""
    settings: AdapterSettings
    drop: Drop

    @property
    def weight(self) -> torch.Tensor:
        """The module's own; a copy for each time that it is asked for, where it is kept otherwise."""
        return weight_of(self.module).detach().float()

    @property
    def shape(self) -> torch.Size:
        """Of the weight, which need not be there for it."""
        return shape_of(self.module)


@dataclass(frozen=True)
class Kind:
    """How one kind of adapter changes a weight."""

    make: Callable[[Request], nn.Module]
    """A module whose parameters, by their names, are the tensors; their first values from torch's generator."""
    change: Callable[[Seen], torch.Tensor]
    """What is added to the weight, of its shape; exactly zero with the first values."""
    roles: Mapping[str, Role]
    alpha: Callable[[Request, Tensors], float]
    """What a file says beside the tensors."""
    settle: Callable[[Seen], None] | None = None
    """Brings tensors that have left their bounds back into them, in place; it sees them as they are held."""


def file_alpha(request: Request, _: Tensors) -> float:
    """alpha such that alpha / rank is the scale that is asked for: with rank_stabilized, alpha sqrt(rank)."""
    site = request.site
    return site.alpha * site.rank**0.5 if request.settings.rank_stabilized else site.alpha


@contextmanager
def quiet() -> Iterator[None]:
    """LyCORIS neither writes to stdout nor leaves its logger's handlers and level behind."""
    logger = logging.getLogger("LyCORIS")
    handlers, level, propagate, disabled = list(logger.handlers), logger.level, logger.propagate, logger.disabled
    silent = logging.NullHandler()
    # It brings its own handler where there is none.
    logger.handlers, logger.disabled = [silent], True
    try:
        yield
    finally:
        logger.handlers, logger.propagate, logger.disabled = handlers, propagate, disabled
        logger.setLevel(level)


@contextmanager
def _first_values(seed: int) -> Iterator[None]:
    """Inside, torch's CPU generator starts from `seed`; afterwards every generator is as before."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def modules() -> Any:
    """The package lycoris. Raises MissingExtraError."""
    try:
        with quiet():
            import lycoris
            import lycoris.functional
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"this adapter needs lycoris-lora ({error.name} is not installed)", hint='pip install "dsk[train]"'
        ) from None
    return lycoris


@dataclass
class Companion:
    """The tensors beside one module, and whether they take effect."""

    module: nn.Module
    held: nn.Module
    kind: Kind
    request: Request
    alpha: float
    training: bool = False
    hung: bool = field(default=False)
    """Whether our forward is in the place of the module's own."""
    before: Callable[..., torch.Tensor] | None = field(default=None)
    """Meanwhile, the forward that was set on the module; None: that of its class, which may change."""

    def tensors(self) -> dict[str, nn.Parameter]:
        """By suffix, in the file's order."""
        return dict(self.held.named_parameters())

    def seen(self, drop: Drop) -> Seen:
        """For the kind's functions."""
        tensors = {suffix: tensor.float() for suffix, tensor in self.tensors().items()}
        return Seen(self.module, tensors, self.alpha, self.request.settings, drop)

    def change(self) -> torch.Tensor:
        """What is added to the weight now, float32."""
        # In bf16 a rotation near the identity, or the quotient of two near norms, has no digits left.
        with torch.autocast(device_of(self.module).type, enabled=False):
            return self.kind.change(self.seen(self._drop))

    def settle(self) -> None:
        """Brings the tensors back into their bounds."""
        if self.kind.settle is not None:
            with torch.no_grad():
                self.kind.settle(replace(self.seen(self._drop), tensors=self.tensors()))

    def put_on(self) -> None:
        """From now on the module's forward is this one's."""
        if not self.hung:
            self.before = self.module.__dict__.get("forward")
            self.module.forward = self.changed_forward
            self.hung = True

    def take_off(self) -> None:
        """From now on the module is its plain self."""
        if self.hung:
            del self.module.__dict__["forward"]
            if self.before is not None:
                self.module.forward = self.before
            self.before, self.hung = None, False

    def changed_forward(self, hidden: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The module's own output and the change's."""
        own = self.before or partial(type(self.module).forward, self.module)
        out: torch.Tensor = own(hidden, *args, **kwargs)
        self.settle()
        added = self._apply(hidden, self.change().to(hidden.dtype))
        rate = self.request.settings.module_dropout if self.training else 0.0
        if rate and float(torch.rand(())) < rate:
            # Zero rather than no gradient: a step in which every module is left out must still have one.
            added = added * 0.0
        dropout = self.request.site.dropout
        if self.training and dropout:
            added = functional.dropout(added, dropout)
        return out + added.to(out.dtype)

    def _apply(self, hidden: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        if not isinstance(self.module, nn.Conv2d):
            return functional.linear(hidden, change)
        added: torch.Tensor = self.module._conv_forward(hidden, change, None)
        return added

    def _drop(self, tensor: torch.Tensor, axis: int) -> torch.Tensor:
        rate = self.request.settings.rank_dropout if self.training else 0.0
        if not rate:
            return tensor
        if rate == 1.0:
            return torch.zeros_like(tensor)
        shape = [-1 if index == axis else 1 for index in range(tensor.dim())]
        # On the CPU, so that every device sees the same.
        kept = (torch.rand(tensor.shape[axis]) >= rate).to(tensor) / (1 - rate)
        return tensor * kept.reshape(shape)


@dataclass(frozen=True)
class LycorisAttached:
    """The companions on a model, by `<part>.<module path>`, in the sites' order."""

    companions: Mapping[str, Companion]

    def groups(self) -> Sequence[Group]:
        """One group for each module and role."""
        groups = []
        for path, companion in self.companions.items():
            by_role: dict[Role, list[nn.Parameter]] = {}
            for suffix, parameter in companion.tensors().items():
                by_role.setdefault(companion.kind.roles[suffix], []).append(parameter)
            groups += [Group(path, role, parameters) for role, parameters in by_role.items()]
        return groups

    def state(self) -> dict[str, torch.Tensor]:
        """Every tensor, detached, with LyCORIS' suffixes; alpha is a scalar."""
        state: dict[str, torch.Tensor] = {}
        for path, companion in self.companions.items():
            companion.settle()
            state |= {f"{path}.{suffix}": tensor.detach() for suffix, tensor in companion.tensors().items()}
            state[f"{path}.{ALPHA}"] = torch.tensor(float(companion.alpha))
        return state

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over the tensors, and alpha; names and shapes must be those of this adapter."""
        check_fit(self.state(), state)
        with torch.no_grad():
            for path, companion in self.companions.items():
                for suffix, tensor in companion.tensors().items():
                    tensor.copy_(state[f"{path}.{suffix}"])
                companion.alpha = float(state[f"{path}.{ALPHA}"])
                companion.settle()

    def train(self, on: bool) -> None:
        """Switches all three dropouts on or off."""
        for companion in self.companions.values():
            companion.training = on

    def enable(self, on: bool) -> None:
        """Puts the modules' own forwards back, or ours again."""
        for companion in self.companions.values():
            if on:
                companion.put_on()
            else:
                companion.take_off()

    def merge(self) -> None:
        """W becomes W + change, and the modules' own forwards come back."""
        self.train(False)
        for companion in self.companions.values():
            companion.settle()
            companion.take_off()
            restore(companion.module)
            weight = companion.module.get_parameter("weight")
            with torch.no_grad():
                weight.copy_(weight.float() + companion.change())


def attach(model: Model, sites: Sequence[Site], *, settings: AdapterSettings, kind: Kind) -> LycorisAttached:
    """A companion for every site. Raises ConfigError, MissingExtraError."""
    check_dropout(sites, settings)
    modules()
    companions = {site.path: _companion(model, site, settings=settings, kind=kind) for site in sites}
    attached = LycorisAttached(companions)
    attached.enable(True)
    return attached


def _companion(model: Model, site: Site, *, settings: AdapterSettings, kind: Kind) -> Companion:
    module = module_at(model.parts, site.path)
    if not isinstance(module, nn.Linear | nn.Conv2d):
        raise ConfigError(
            f"adapter.targets: {site.path} is a {type(module).__name__}, not a linear layer or convolution",
            hint="narrow the pattern",
        )
    request = Request(module, site, settings)
    with quiet(), _first_values(seed_for(settings.seed, site.path, "lycoris")):
        held = kind.make(request)
    held.to(device=model.device, dtype=torch.float32).requires_grad_(True)
    tensors = dict(held.named_parameters())
    for suffix, tensor in tensors.items():
        # Vectors are small, and lengths that are rounded would change the model before it is trained.
        if kind.roles[suffix] != "vector":
            tensor.data = tensor.data.to(DTYPES[settings.dtype])
    return Companion(module, held, kind, request, kind.alpha(request, tensors))
