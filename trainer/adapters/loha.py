"""LoHa: W + (alpha / rank) (A1 B1) * (A2 B2), the product of two low-rank matrices entry by entry.

Hyeon-Woo et al. 2021 (FedPara, arXiv 2108.06098), proposition 1: the rank can be the square of that of one
matrix, for twice the numbers. `hada_w1_a` is A1, `hada_w1_b` is B1 and so on; A2 starts at zero. With `tucker`
(ibid., proposition 3) a convolution's matrices each become a core `hada_t` [rank, rank, kh, kw] between two
factors [rank, out] and [rank, in].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from trainer.adapters import _lycoris
from trainer.adapters._lycoris import Kind, Request, Seen
from trainer.contracts.adapter import Adapter, AdapterSettings, Attached, Site
from trainer.contracts.model import Model


def _make(request: Request) -> nn.Module:
    site = request.site
    made: nn.Module = _lycoris.modules().LohaModule(
        "", request.module, lora_dim=site.rank, alpha=site.alpha, use_tucker=request.settings.tucker
    )
    return made


def _change(seen: Seen) -> torch.Tensor:
    from lycoris.functional.loha import diff_weight

    tensors = seen.tensors
    is_tucker = "hada_t1" in tensors
    axis, rank = (0, tensors["hada_w1_b"].shape[0]) if is_tucker else (1, tensors["hada_w1_b"].shape[0])
    weight: torch.Tensor = diff_weight(
        tensors["hada_w1_b"],
        seen.drop(tensors["hada_w1_a"], axis),
        tensors["hada_w2_b"],
        seen.drop(tensors["hada_w2_a"], axis),
        tensors.get("hada_t1"),
        tensors.get("hada_t2"),
        gamma=torch.tensor(seen.alpha / rank, device=tensors["hada_w1_b"].device),
        backend="torch",
    )
    return weight.reshape(seen.shape)


KIND = Kind(
    make=_make,
    change=_change,
    roles={
        "hada_w1_a": "down",
        "hada_w1_b": "down",
        "hada_w2_a": "up",
        "hada_w2_b": "down",
        "hada_t1": "down",
        "hada_t2": "down",
    },
    alpha=_lycoris.file_alpha,
)


def attach(model: Model, sites: Sequence[Site], *, settings: AdapterSettings) -> Attached:
    """Four matrices beside each site. Raises ConfigError, MissingExtraError."""
    return _lycoris.attach(model, sites, settings=settings, kind=KIND)


def size_of(tensors: Mapping[str, torch.Tensor]) -> tuple[int, float] | None:
    """B1 has as many rows as the rank."""
    if "hada_w1_b" not in tensors:
        return None
    rank = tensors["hada_w1_b"].shape[0]
    return rank, float(tensors.get("alpha", rank))


ADAPTER = Adapter(
    name="loha", product="lora", attach=attach, network_module="lycoris.kohya", algo="loha", size_of=size_of
)
