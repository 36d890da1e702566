"""Updates: from gradients to weights, at the schedule's rate, by any optimizer, in any precision.

One optimizer has all weights, or each of several has some: a piece at a time where float32 copies are needed, one
weight each where it is updated within the backward pass. An optimizer that must see all weights has them all.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from trainer.errors import ConfigError, StateError
from trainer.run_sections import OptimizerConfig, ScheduleConfig
from trainer.seeds import seed_for
from trainer.updates import schedules
from trainer.updates.building import Recipe
from trainer.updates.held import NUM_AT_ONCE, Held, Unit, hold, piece, split
from trainer.updates.packing import Packer, Unpackable, Unpacker
from trainer.updates.rounding import Dice

_NOT_REMEMBERED = ("params", "lr", "initial_lr", "name")
"""Of a group; `begin` sets the rate."""


@dataclass(frozen=True)
class Rounding:
    """How updates are carried out."""

    fused: bool
    """Each weight is updated as soon as its gradient is known, and the gradient forgotten."""
    seed: int
    """Decides how bfloat16 weights are rounded, together with the step."""


@dataclass(frozen=True)
class Saved:
    """All that an optimizer remembers."""

    tensors: dict[str, torch.Tensor]
    """Not copied: the next update changes them."""
    numbers: dict[str, Any]
    """JSON."""


class Updater:
    """The optimizer of a run; `make` makes it."""

    def __init__(self, units: Sequence[Unit], *, limit: float, rule: ScheduleConfig, total: int, rounding: Rounding):
        """`limit` is the longest gradient, 0: any."""
        self._units = tuple(units)
        self._limit = limit
        self._rule, self._total, self._rounding = rule, total, rounding
        self.held = tuple(held for unit in units for held in unit.held)
        self._dice = Dice()
        self._step = 0
        self._lengths: list[torch.Tensor] = []
        """Of the gradients that were used up within the backward pass."""
        self._kept: list[torch.Tensor] | None = None
        """The weights as they are trained, while others stand in their place."""
        for unit in self._units if rounding.fused else ():
            hook: Any = unit.held[0].real.register_post_accumulate_grad_hook
            hook(lambda _, unit=unit: self._in_backward(unit))
        self._switch(True)

    def begin(self, step: int) -> None:
        """Before the backward pass of the update that `step` updates came before: sets rates, seeds rounding."""
        self._step = step
        factor = schedules.factor(step, self._total, self._rule)
        for unit in self._units:
            for group, rate in zip(unit.optimizer.param_groups, unit.rates, strict=True):
                group["lr"] = rate * factor

    @torch.no_grad()
    def update(self) -> float:
        """Updates all weights and forgets the gradients; the gradient's length before it was shortened.

        Where that is no number, nothing is updated; except by a fused backward pass, which is past that when the
        length is known, and shortens nothing.
        """
        if self._rounding.fused:
            lengths, self._lengths = self._lengths, []
            return _length(lengths)
        length = _norm([held.real.grad for held in self.held if held.real.grad is not None])
        if math.isfinite(length):
            scale = _shortened(length, self._limit)
            _seed(seed_for(self._rounding.seed, self._step, "optimizer"))
            for unit in self._units:
                self._update(unit, scale)
        for held in self.held:
            held.real.grad = None
        return length

    def rate(self) -> float:
        """Learning rate of the first group; with the distance that the optimizer found, where it finds one."""
        group = self._units[0].optimizer.param_groups[0]
        return float(group["lr"]) * float(group.get("d", 1.0))

    @torch.no_grad()
    def ready(self, training: bool) -> None:
        """Puts the average of an optimizer that keeps one in place of the weights, or them back, bit for bit.

        For all others it does nothing. `update`, `state` and `load` want the weights as they are trained.
        """
        if not self.averages or training is (self._kept is None):
            return
        kept = self._kept
        if kept is None:
            self._kept = [piece(held.real).to("cpu", copy=True) for held in self.held]
        self._switch(training)
        if kept is not None:
            for held, values in zip(self.held, kept, strict=True):
                piece(held.real).copy_(values)
            self._kept = None

    @property
    def averages(self) -> bool:
        """Whether the optimizer keeps an average of the weights, as ScheduleFree does."""
        return all(hasattr(self._units[0].optimizer, name) for name in ("train", "eval"))

    def state(self) -> Saved:
        """All that the optimizer remembers. Raises StateError where it remembers what cannot be kept."""
        self._refuse_average()
        packer = Packer()
        states, groups, others = {}, [], []
        try:
            for number, unit in enumerate(self._units):
                for held in unit.held:
                    if own := unit.optimizer.state.get(held.seen):
                        states[str(held.number)] = packer.pack(dict(own), str(held.number))
                groups.append([_packed(one, packer, f"group.{number}") for one in unit.optimizer.param_groups])
                others.append(_packed(_others(unit.optimizer), packer, f"other.{number}"))
        except Unpackable as error:
            name = type(self._units[0].optimizer).__name__
            raise StateError(f"{name} remembers a {error}, which no checkpoint can hold") from None
        return Saved(packer.tensors, {"states": states, "groups": groups, "others": others})

    def load(self, saved: Saved) -> None:
        """Takes over what an equal optimizer remembered. Raises StateError where it was another."""
        self._refuse_average()
        states, groups = saved.numbers["states"], saved.numbers["groups"]
        ours = [len(unit.optimizer.param_groups) for unit in self._units]
        if [len(one) for one in groups] != ours or not set(states) <= {str(held.number) for held in self.held}:
            raise StateError("the checkpoint's optimizer is over other weights", hint="begin anew with --restart")
        unpackers: dict[torch.device, Unpacker] = {}
        for unit, kept, others in zip(self._units, groups, saved.numbers["others"], strict=True):
            device = unit.held[0].real.device
            unpacker = unpackers.setdefault(device, Unpacker(saved.tensors, device))
            for group, packed in zip(unit.optimizer.param_groups, kept, strict=True):
                group.update({key: unpacker.unpack(value) for key, value in packed.items()})
            # Written directly: an optimizer's own load_state_dict would turn types that it thinks it knows better.
            unit.optimizer.state.clear()
            _give(unit.optimizer, {key: unpacker.unpack(value) for key, value in others.items()})
            for held in unit.held:
                if str(held.number) in states:
                    unit.optimizer.state[held.seen] = unpacker.unpack(states[str(held.number)])

    def _in_backward(self, unit: Unit) -> None:
        gradient = unit.held[0].real.grad
        if gradient is not None:
            with torch.no_grad():
                self._lengths.append(torch.linalg.vector_norm(gradient, dtype=torch.float32))
                self._update(unit, 1.0)

    def _update(self, unit: Unit, scale: float) -> None:
        for held in unit.held:
            held.lift(scale)
        unit.optimizer.step()
        for held in unit.held:
            if held.is_copied:
                seed = seed_for(self._rounding.seed, self._step, held.number, "rounding")
                held.lower(self._dice.seeded(held.real.device, seed))
            held.real.grad = None

    def _switch(self, training: bool) -> None:
        if not self.averages:
            return
        for unit in self._units:
            for held in unit.held:
                held.lift(1.0)
            optimizer: Any = unit.optimizer
            optimizer.train() if training else optimizer.eval()
            for held in unit.held:
                if not training:
                    held.settle()
                held.drop()

    def _refuse_average(self) -> None:
        if self._kept is not None:
            raise RuntimeError("ready(True) must come before an optimizer's state is asked for or changed")


def make(
    groups: list[dict[str, Any]],
    optimizer: OptimizerConfig,
    *,
    schedule: ScheduleConfig,
    total: int,
    rounding: Rounding,
) -> Updater:
    """The updater over these groups (params, lr, weight_decay, name) in a run of `total` steps.

    Raises ConfigError where the optimizer is none, or cannot do what is asked of it; MissingExtraError.
    """
    recipe = Recipe(optimizer, groups)
    if rounding.fused and recipe.whole:
        raise ConfigError(
            f"memory.fused_backward: {optimizer.name} must see all gradients before it updates a weight",
            hint="set fused_backward = false, or choose another optimizer, e.g. adafactor",
        )
    parameters = [parameter for group in groups for parameter in group["params"]]
    all_held = {parameter: hold(parameter, number) for number, parameter in enumerate(parameters)}
    is_copied = any(held.is_copied for held in all_held.values())
    pieces = split(groups, limit=0 if rounding.fused else NUM_AT_ONCE) if rounding.fused or is_copied else [groups]
    units = [_unit(recipe, one, all_held) for one in ([groups] if recipe.whole else pieces)]
    return Updater(units, limit=optimizer.max_grad_norm, rule=schedule, total=total, rounding=rounding)


def _unit(recipe: Recipe, groups: Sequence[dict[str, Any]], all_held: Mapping[torch.nn.Parameter, Held]) -> Unit:
    held = [[all_held[parameter] for parameter in group["params"]] for group in groups]
    seen = [{**group, "params": [one.seen for one in of_group]} for group, of_group in zip(groups, held, strict=True)]
    rates = tuple(float(group["lr"]) for group in groups)
    return Unit(recipe.make(seen), tuple(one for of_group in held for one in of_group), rates)


def _packed(group: Mapping[str, Any], packer: Packer, name: str) -> dict[str, Any]:
    """What a group remembers; what cannot be kept is the optimizer's own, made with it each time."""
    found = {}
    for key, value in group.items():
        if key not in _NOT_REMEMBERED:
            try:
                found[key] = packer.pack(value, f"{name}.{key}")
            except Unpackable:
                continue
    return found


def _others(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What some remember elsewhere: counts that are of no weight, and of no group."""
    kinds = (int, float, torch.Tensor)
    own = {key: value for key, value in vars(optimizer).items() if isinstance(value, kinds) and key[0] != "_"}
    state: dict[Any, Any] = optimizer.state
    return {**own, **{f"state/{key}": value for key, value in state.items() if isinstance(key, str)}}


def _give(optimizer: torch.optim.Optimizer, others: Mapping[str, Any]) -> None:
    state: dict[Any, Any] = optimizer.state
    for key, value in others.items():
        kind, sign, name = key.partition("/")
        if sign:
            state[name] = value
        else:
            setattr(optimizer, kind, value)


def _norm(gradients: Sequence[torch.Tensor]) -> float:
    """Length of all gradients as one vector, summed in float32."""
    if all(gradient.dtype == torch.float32 for gradient in gradients):
        return _number(torch.nn.utils.get_total_norm(gradients))
    return _length([torch.linalg.vector_norm(gradient, dtype=torch.float32) for gradient in gradients])


def _length(lengths: Sequence[torch.Tensor]) -> float:
    """Length of a vector whose parts have these; waits for the device once."""
    if not lengths:
        return 0.0
    return _number(torch.linalg.vector_norm(torch.stack([length.to(lengths[0].device) for length in lengths])))


def _number(scalar: torch.Tensor) -> float:
    # Of a network that is shared out, each process knows a part of the sum.
    whole: torch.Tensor = scalar.full_tensor() if hasattr(scalar, "full_tensor") else scalar
    return float(whole.item())


def _shortened(length: float, limit: float) -> float:
    """What a gradient of this length is multiplied by to be no longer than `limit`, 0: any; in torch's arithmetic."""
    return (limit / (torch.tensor(length) + 1e-6)).clamp(max=1.0).item() if limit else 1.0


def _seed(seed: int) -> None:
    """For the few optimizers that draw: none of them takes a generator."""
    torch.manual_seed(seed)
    numpy.random.seed(seed % 2**32)
    random.seed(seed)
