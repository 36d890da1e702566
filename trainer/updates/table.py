"""Optimizers by name: where each comes from, and what it is best made with.

Any other class of pytorch-optimizer goes by its own name, and any class at all by its import path.
Nothing is imported until an optimizer is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigError, MissingExtraError, nearest

if TYPE_CHECKING:
    import torch

_FIELD = "optimizer.name"
_LIBRARY = "pytorch_optimizer"
_TRAIN = "pip install 'dsk[train]'"
_EIGHT = "pip install 'dsk[8bit]'"


@dataclass(frozen=True)
class Known:
    """An optimizer of the table."""

    path: str
    """Where it is imported from."""
    about: str
    """What it is, in a few words."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that it gets unless the config says otherwise."""
    rate: float = 1e-4
    """Its learning rate, where the config names none."""
    extra: str = ""
    """How to install what it needs beside the `train` extra."""
    whole: bool = False
    """What it does to one weight depends on all the others, and all have the same rate."""
    averages: bool = False
    """It keeps an average by itself, so that there is no rate to let fall."""
    sharded: bool = False
    """It can update weights that several processes share out."""
    fixed: tuple[str, ...] = ()
    """Arguments that the config cannot change."""


def _self_tuning(name: str, what: str, **defaults: Any) -> Known:
    # Decay is kept out of the gradient, since the distance is told from that.
    return Known(f"{_LIBRARY}.{name}", what, {"weight_decouple": True, **defaults}, rate=1.0, whole=True)


def _bits(name: str, what: str, rate: float = 1e-4) -> Known:
    return Known(f"bitsandbytes.optim.{name}", what, rate=rate, extra=_EIGHT)


NAMES: dict[str, Known] = {
    "adafactor": Known(
        # transformers', as sd-scripts; pytorch-optimizer's keeps a momentum, and with it most of Adam's memory.
        "transformers.optimization.Adafactor",
        "second moments by row and column: next to no memory",
        {"relative_step": False, "scale_parameter": False, "warmup_init": False},
        fixed=("relative_step", "warmup_init"),  # they would overrule learning_rate and [schedule]
    ),
    "adamw": Known("torch.optim.AdamW", "the usual one", sharded=True),
    "adamw8bit": _bits("AdamW8bit", "adamw with a quarter of its memory"),
    "came": Known(f"{_LIBRARY}.CAME", "adafactor with a confidence in its own updates"),
    "dadapt_adagrad": _self_tuning("DAdaptAdaGrad", "AdaGrad that finds its rate"),
    "dadapt_adam": _self_tuning("DAdaptAdam", "Adam that finds its rate"),
    "dadapt_adan": _self_tuning("DAdaptAdan", "Adan that finds its rate"),
    "dadapt_lion": _self_tuning("DAdaptLion", "Lion that finds its rate"),
    "dadapt_sgd": _self_tuning("DAdaptSGD", "SGD that finds its rate"),
    # Its authors: a third to a tenth of adamw's rate (Chen et al. 2023, arXiv 2302.06675, section 5).
    "lion": Known(
        f"{_LIBRARY}.Lion", "only the sign of each gradient: half of adamw's memory", rate=2e-5, sharded=True
    ),
    "lion8bit": _bits("Lion8bit", "lion with a quarter of its memory", 2e-5),
    "paged_adamw": _bits("PagedAdamW", "adamw, its memory moved off the GPU when that is full"),
    "paged_adamw8bit": _bits("PagedAdamW8bit", "adamw8bit, likewise"),
    "paged_lion8bit": _bits("PagedLion8bit", "lion8bit, likewise", 2e-5),
    "prodigy": _self_tuning(
        # As the authors advise for diffusion models: konstmish/prodigy:README.md.
        "Prodigy",
        "adamw that finds its rate",
        safeguard_warmup=True,
        bias_correction=True,
    ),
    "schedulefree_adamw": Known(
        f"{_LIBRARY}.ScheduleFreeAdamW", "adamw with an average instead of a schedule", averages=True, sharded=True
    ),
    "sgd": Known(
        "torch.optim.SGD",
        "the gradient itself, with momentum",
        {"momentum": 0.9, "nesterov": True},
        rate=1e-2,
        sharded=True,
    ),
}


def known(name: str) -> Known | None:
    """What the table says of an optimizer, also by its class; None of what is not in it. `auto` is adamw."""
    if name in NAMES or name == "auto":
        return NAMES["adamw" if name == "auto" else name]
    return next((one for one in NAMES.values() if one.path in (name, f"{_LIBRARY}.{name}")), None)


def rate(name: str) -> float:
    """The learning rate of an optimizer where the config names none. Raises as `resolve`."""
    if found := known(name):
        return found.rate
    own = inspect.signature(resolve(name)).parameters.get("lr")
    is_number = own is not None and isinstance(own.default, int | float)
    return float(own.default) if own is not None and is_number else 1e-4


def rows() -> list[tuple[str, str, float, str]]:
    """Name, what it is, learning rate, and how to install what it needs, of each in the table."""
    return [(name, one.about, one.rate, one.extra) for name, one in sorted(NAMES.items())]


def resolve(name: str) -> type[torch.optim.Optimizer]:
    """The class of this name. Raises ConfigError where there is none, MissingExtraError where it is not installed."""
    found = known(name)
    if found is not None:
        made = _imported(found.path, name, extra=found.extra or _TRAIN)
    elif "." in name:
        made = _imported(name, name, extra=f"pip install {name.partition('.')[0]}")
    else:
        made = _of_library(name)
    if not _is_optimizer(made):
        raise ConfigError(f"{_FIELD}: {name} is no optimizer of torch's kind", hint="name a class")
    return made  # type: ignore[no-any-return]


def _imported(path: str, name: str, *, extra: str) -> Any:
    module, _, attribute = path.rpartition(".")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name and module.startswith(error.name) and error.name != package:
            raise ConfigError(f"{_FIELD}: there is no module {error.name}", hint="check the import path") from None
        raise MissingExtraError(f"{_FIELD}: {name} needs {error.name}, which is not installed", hint=extra) from None
    except (ImportError, OSError, ValueError) as error:
        raise ConfigError(f"{_FIELD}: {module} cannot be imported ({error})", hint="check the import path") from None
    try:
        return getattr(found, attribute)
    except AttributeError:
        raise ConfigError(
            f"{_FIELD}: {module} has no {attribute}", hint=nearest(attribute, _optimizers(found))
        ) from None


def _of_library(name: str) -> Any:
    module = importlib.import_module(_LIBRARY) if _has_library() else None
    names = set(_optimizers(module)) if module else set()
    if name in names:
        return getattr(module, name)
    hint = nearest(name, {*NAMES, *names})
    hint = hint if len(hint) < 200 else "`python -m trainer optimizers` lists them"
    if module is None:
        hint += f"; those of pytorch-optimizer need {_TRAIN}"
    raise ConfigError(f"{_FIELD}: there is no {name!r}", hint=hint)


def _has_library() -> bool:
    return importlib.util.find_spec(_LIBRARY) is not None


def _optimizers(module: Any) -> list[str]:
    return [name for name, value in vars(module).items() if _is_optimizer(value)]


def _is_optimizer(value: Any) -> bool:
    import torch

    return inspect.isclass(value) and issubclass(value, torch.optim.Optimizer)
