"""Makes an optimizer from what the config says of it, and finds out what it can be used for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trainer.errors import ConfigError, nearest
from trainer.run_sections import OptimizerConfig
from trainer.updates.table import NAMES, Known, known, resolve

_FIELD = "optimizer.arguments"
_OURS = {"lr": "optimizer.learning_rate", "weight_decay": "optimizer.weight_decay"}
_HAVE_FUSED_KERNELS = (torch.optim.Adam, torch.optim.AdamW)
_PROBED = ((6, 4), (4,), (4, 3, 3, 3))
"""Shapes that an unknown optimizer is tried on: a matrix, a vector, a convolution."""


class Recipe:
    """An optimizer that can be made several times, over different parameters."""

    def __init__(self, config: OptimizerConfig, groups: Sequence[Mapping[str, Any]]) -> None:
        """Raises ConfigError where it cannot be what the config wants, MissingExtraError where it is not installed."""
        self.name = config.name
        self.kind = resolve(config.name)
        found = known(config.name)
        _refuse(config.name, found, groups)
        parameters = inspect.signature(self.kind).parameters
        self._arguments = dict(found.defaults if found else {})
        self._arguments |= _checked(config, parameters, fixed=found.fixed if found else ())
        for key, value in (("lr", groups[0]["lr"]), ("weight_decay", config.weight_decay)):
            if key in parameters:
                self._arguments[key] = value
        devices = {parameter.device for group in groups for parameter in group["params"]}
        if self.kind in _HAVE_FUSED_KERNELS and not {"fused", "foreach"} & set(config.arguments):
            self._arguments["fused"] = all(device.type in ("cpu", "cuda") for device in devices)
        self.whole = found.whole if found else sees_others(self, next(iter(devices)))

    def make(self, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
        """One over these groups. Raises ConfigError where it refuses its arguments."""
        try:
            return self.kind(list(groups), **self._arguments)
        except (TypeError, ValueError, AssertionError, RuntimeError) as error:
            raise ConfigError(f"{_FIELD}: {self.name} refuses them ({error})", hint=self._told()) from None

    def _told(self) -> str:
        own = {key: value for key, value in self._arguments.items() if key not in ("lr", "fused")}
        return "it was given " + ", ".join(f"{key} = {value!r}" for key, value in sorted(own.items()))


def _refuse(name: str, found: Known | None, groups: Sequence[Mapping[str, Any]]) -> None:
    if not groups:
        raise ConfigError("nothing is trained: every learning rate is 0", hint="set optimizer.learning_rate")
    if found and found.whole and len({group["lr"] for group in groups}) > 1:
        # pytorch-optimizer's take the first group's rate for all, and say nothing.
        raise ConfigError(
            f"optimizer.name: {name} finds one rate for all that is trained, but rates differ",
            hint="leave out text_encoder_rate, text_encoder_2_rate, lora_plus and the rules' learning_rate",
        )
    is_sharded = any(hasattr(parameter, "full_tensor") for group in groups for parameter in group["params"])
    if is_sharded and not (found and found.sharded):
        fitting = ", ".join(sorted(known_name for known_name, one in NAMES.items() if one.sharded))
        raise ConfigError(
            f"optimizer.name: {name} cannot update weights that several processes share out",
            hint=f"choose among {fitting}",
        )


def _checked(
    config: OptimizerConfig, parameters: Mapping[str, inspect.Parameter], *, fixed: Sequence[str]
) -> dict[str, Any]:
    """The config's arguments, lists as tuples. Raises ConfigError where the class has none of such a name."""
    names = [name for name, one in parameters.items() if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    if not names or names[0] not in ("params", "param_groups", "parameters"):
        raise ConfigError(
            f"optimizer.name: {config.name} is put around an optimizer or a model, and takes no weights",
            hint="name the optimizer itself",
        )
    free = [name for name in names[1:] if name not in _OURS and name not in fixed]
    for name in config.arguments:
        if name in _OURS:
            raise ConfigError(f"{_FIELD}: {name} is not set here", hint=f"set {_OURS[name]}")
        if name in fixed:
            raise ConfigError(f"{_FIELD}: {name} would overrule learning_rate and [schedule]", hint="leave it out")
        if name not in free:
            raise ConfigError(f"{_FIELD}: {config.name} has no argument {name!r}", hint=nearest(name, free))
    needed = [name for name in free if parameters[name].default is inspect.Parameter.empty]
    missing = [name for name in needed if name not in config.arguments]
    if missing:
        raise ConfigError(f"optimizer.name: {config.name} cannot be made without {missing[0]}", hint=f"set {_FIELD}")
    return {name: tuple(one) if isinstance(one, list) else one for name, one in config.arguments.items()}


def sees_others(recipe: Recipe, device: torch.device) -> bool:
    """Whether what the optimizer does to one weight depends on the others: tried on a few small ones.

    Raises ConfigError where it cannot take a step with gradients alone.
    """
    try:
        together = _tried(recipe, range(len(_PROBED)), device)
        alone = [one for place in range(len(_PROBED)) for one in _tried(recipe, [place], device)]
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"optimizer.name: {recipe.name} takes no step from gradients alone ({type(error).__name__}: {error})",
            hint="choose one that needs no closure, second pass or marks of its own; `python -m trainer optimizers`",
        ) from error
    if "d" in recipe.make([{"params": [torch.nn.Parameter(torch.ones(2, 2, device=device))]}]).param_groups[0]:
        return True  # a distance that it finds, as Prodigy's; a few steps would not show it
    return any(not torch.equal(one, other) for one, other in zip(together, alone, strict=True))


def _tried(recipe: Recipe, places: Sequence[int], device: torch.device) -> list[torch.Tensor]:
    """The weights of these places after three steps that are always the same."""
    with torch.random.fork_rng(devices=[]):
        parameters = []
        for place in places:
            torch.manual_seed(place)
            parameters.append(torch.nn.Parameter(torch.randn(_PROBED[place]).to(device)))
        optimizer = recipe.make([{"params": parameters}])
        for step in range(3):
            for place, parameter in zip(places, parameters, strict=True):
                torch.manual_seed(100 * step + place)
                parameter.grad = torch.randn(_PROBED[place]).to(device)
            optimizer.step()
    return [parameter.detach() for parameter in parameters]
