"""LoKr: W + (alpha / rank) kron(C, A B), a small matrix times a large one, itself of low rank.

Edalati et al. 2022 (KronA, arXiv 2212.10650); Yeh et al. 2023 (LyCORIS, arXiv 2309.14859), section 4.2. `lokr_w1`
is C, `lokr_w2_a` is A, `lokr_w2_b` is B, which starts at zero. `factor` bounds the size of C. Where the rank is
not below half of the large matrix' longer side, or with `full_matrix`, the large one is whole: `lokr_w2`, which
then starts at zero, and the scale is 1, as readers take it (comfyanonymous/ComfyUI:comfy/weight_adapter/lokr.py).
With `tucker` a convolution has a core `lokr_t2` [rank, rank, kh, kw] between factors [rank, out] and [rank, in].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from trainer.adapters import _lycoris
from trainer.adapters._lycoris import Kind, Request, Seen, Tensors
from trainer.contracts.adapter import Adapter, AdapterSettings, Attached, Site
from trainer.contracts.model import Model


def _make(request: Request) -> nn.Module:
    site, settings = request.site, request.settings
    made: nn.Module = _lycoris.modules().LokrModule(
        "",
        request.module,
        lora_dim=site.rank,
        alpha=site.alpha,
        use_tucker=settings.tucker,
        factor=settings.factor,
        full_matrix=settings.full_matrix,
    )
    return made


def _alpha(request: Request, tensors: Tensors) -> float:
    # Readers take the scale of a whole matrix as 1; LyCORIS writes alpha = rank.
    return float(request.site.rank) if "lokr_w2" in tensors else _lycoris.file_alpha(request, tensors)


def _change(seen: Seen) -> torch.Tensor:
    from lycoris.functional.lokr import kron_weight

    tensors = seen.tensors
    whole, first, second, core = (tensors.get(f"lokr_{name}") for name in ("w2", "w2_a", "w2_b", "t2"))
    scale = 1.0
    if whole is not None:
        whole = seen.drop(whole, 0)
    elif first is not None and second is not None:
        scale = seen.alpha / second.shape[0]
        first = seen.drop(first, 1 if core is None else 0)
    weight: torch.Tensor = kron_weight(
        tensors["lokr_w1"], None, None, whole, first, second, core, scale=scale, backend="torch"
    )
    return weight.reshape(seen.shape)


KIND = Kind(
    make=_make,
    change=_change,
    roles={"lokr_w1": "down", "lokr_w2": "up", "lokr_w2_a": "down", "lokr_w2_b": "up", "lokr_t2": "down"},
    alpha=_alpha,
)


def attach(model: Model, sites: Sequence[Site], *, settings: AdapterSettings) -> Attached:
    """Two or three matrices beside each site. Raises ConfigError, MissingExtraError."""
    return _lycoris.attach(model, sites, settings=settings, kind=KIND)


def size_of(tensors: Mapping[str, torch.Tensor]) -> tuple[int, float] | None:
    """B has as many rows as the rank. A whole matrix does not tell; its longer side is a rank that leaves it whole."""
    if "lokr_w2_b" in tensors:
        rank = tensors["lokr_w2_b"].shape[0]
        return rank, float(tensors.get("alpha", rank))
    if "lokr_w2" in tensors:
        rank = max(tensors["lokr_w2"].shape[:2])
        return rank, float(rank)
    return None


ADAPTER = Adapter(
    name="lokr", product="lora", attach=attach, network_module="lycoris.kohya", algo="lokr", size_of=size_of
)
