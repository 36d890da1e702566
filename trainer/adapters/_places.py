"""Modules by `<part>.<module path>`, and what every adapter asks of its settings and of a saved state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from trainer.contracts.adapter import AdapterSettings, Site
from trainer.errors import ConfigError, LoraFileError, some

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""Of AdapterSettings.dtype."""


def module_at(parts: Mapping[str, nn.Module], path: str) -> nn.Module:
    """The module at `<part>.<module path>`; a part's name alone is the part itself."""
    part, _, inner = path.partition(".")
    return parts[part].get_submodule(inner)


def put(parts: Mapping[str, nn.Module], path: str, *, module: nn.Module) -> None:
    """Sets `module` in the place of the one at `path`, which lies inside a part."""
    part, _, inner = path.partition(".")
    parts[part].set_submodule(inner, module)


def check_fit(own: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]) -> None:
    """Raises LoraFileError where the names or shapes of `given` are not those of the adapter's `own` tensors."""
    if strange := sorted(set(given) - set(own)):
        raise LoraFileError(
            f"the adapter has no place for {some(strange, limit=3)}",
            hint="use the model, kind and targets it was baked with",
        )
    if lacking := sorted(set(own) - set(given)):
        raise LoraFileError(
            f"the adapter's file lacks {some(lacking, limit=3)}", hint="use the kind, targets and rank of the file"
        )
    for name, tensor in given.items():
        if tensor.shape != own[name].shape:
            raise LoraFileError(
                f"{name} is {list(tensor.shape)}, expected {list(own[name].shape)}",
                hint="use the rank of the file; for lokr its factor and full_matrix too",
            )


def check_dropout(sites: Sequence[Site], settings: AdapterSettings) -> None:
    """Raises ConfigError where everything would be dropped, always: there would be nothing to learn from."""
    for name in ("rank_dropout", "module_dropout"):
        if getattr(settings, name) >= 1.0:
            raise ConfigError(f"adapter.{name} is 1: nothing would ever be trained", hint="0.1 to 0.3 are usual")
    for site in sites:
        if site.dropout >= 1.0:
            raise ConfigError(f"adapter.dropout is 1 for {site.path}", hint="0.1 to 0.3 are usual")
