"""DoRA: a weight's length and direction apart, m (W + (alpha / rank) B A) / |W + (alpha / rank) B A|.

Liu et al. 2024 (arXiv 2402.09353), eq. 5: m (`dora_scale`) starts as W's own lengths, B (`lora_up`) at zero. One
length per output, over all its inputs, as LyCORIS has it since its version 3 (`wd_on_output`) and the authors'
code; a file's `dora_scale` is then [out, 1, ...]. Gradients flow through the length below the line too.

ComfyUI reads such files, but divides by |W| there (comfyanonymous/ComfyUI:comfy/weight_adapter/base.py,
weight_decompose): its pictures lie off those made here by as much as B A changes the lengths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from trainer.adapters import _lycoris
from trainer.adapters._lycoris import Kind, Request, Seen
from trainer.contracts.adapter import Adapter, AdapterSettings, Attached, Site
from trainer.contracts.model import Model


def _lengths(weight: torch.Tensor) -> torch.Tensor:
    """[out, 1, ...] of [out, ...]; never zero."""
    length = weight.flatten(1).norm(dim=1).clamp_min(torch.finfo(weight.dtype).eps)
    shaped: torch.Tensor = length.reshape(-1, *[1] * (weight.dim() - 1))
    return shaped


def _make(request: Request) -> nn.Module:
    site = request.site
    made: nn.Module = _lycoris.modules().LoConModule(
        "", request.module, lora_dim=site.rank, alpha=site.alpha, use_tucker=request.settings.tucker
    )
    # Not the library's: it adds a little to the length below the line, so that its first change is not zero.
    weight = request.module.get_parameter("weight").detach().float()
    made.register_parameter("dora_scale", nn.Parameter(_lengths(weight)))
    return made


def _change(seen: Seen) -> torch.Tensor:
    from lycoris.functional.locon import diff_weight

    tensors, own = seen.tensors, seen.weight
    down = tensors["lora_down.weight"]
    added = diff_weight(
        down,
        seen.drop(tensors["lora_up.weight"], 1),
        tensors.get("lora_mid.weight"),
        gamma=seen.alpha / down.shape[0],
        backend="torch",
    ).reshape(own.shape)
    scale = tensors["dora_scale"] / _lengths(own + added)
    weight: torch.Tensor = (scale - 1) * own + scale * added
    return weight


KIND = Kind(
    make=_make,
    change=_change,
    roles={"lora_down.weight": "down", "lora_mid.weight": "down", "lora_up.weight": "up", "dora_scale": "vector"},
    alpha=_lycoris.file_alpha,
)


def attach(model: Model, sites: Sequence[Site], *, settings: AdapterSettings) -> Attached:
    """Two matrices and the lengths beside each site. Raises ConfigError, MissingExtraError."""
    return _lycoris.attach(model, sites, settings=settings, kind=KIND)


def size_of(tensors: Mapping[str, torch.Tensor]) -> tuple[int, float] | None:
    """A has as many rows as the rank; None where there are no lengths: that is a plain LoRA."""
    if "lora_down.weight" not in tensors or "dora_scale" not in tensors:
        return None
    rank = tensors["lora_down.weight"].shape[0]
    return rank, float(tensors.get("alpha", rank))


ADAPTER = Adapter(
    name="dora", product="lora", attach=attach, network_module="lycoris.kohya", algo="lora", size_of=size_of
)
