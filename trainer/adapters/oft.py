"""OFT: outputs are turned, in blocks, W becomes R W with R = (I + Q)(I - Q)^-1 and Q skew-symmetric.

Qiu et al. 2023 (arXiv 2306.07280), eq. 4 and section 4.2 (Cayley). The kind is LyCORIS' diag-oft: `oft_blocks`
[blocks, size, size] starts at zero and Q is blocks - blocks^T; R acts transposed, which is its inverse and no loss.
`rank` asks for the size of a block; it becomes a divisor of the outputs near it, LyCORIS' choice, smaller where the
outputs are few. Site.alpha is unused.

`constraint` bounds |Q| of a module to constraint x outputs. The blocks are brought back into the bound as they
are used, as the paper's COFT does, and alpha, which holds LyCORIS' constraint, is written as 0: LyCORIS bounds by
alpha x outputs and ComfyUI by alpha (comfyanonymous/ComfyUI:comfy/weight_adapter/oft.py), so that only files that
need no bound are read alike. Both read `oft_blocks` with three axes, and `rescale`, which is not written here;
kohya-ss/sd-scripts:networks/oft.py begins its keys with oft_unet and takes its dim for the number of blocks, so it
reads none of these, nor they its files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from trainer.adapters import _lycoris
from trainer.adapters._lycoris import Kind, Request, Seen, Tensors
from trainer.contracts.adapter import Adapter, AdapterSettings, Attached, Site
from trainer.contracts.model import Model

BLOCKS = "oft_blocks"


def _make(request: Request) -> nn.Module:
    made: nn.Module = _lycoris.modules().DiagOFTModule("", request.module, lora_dim=request.site.rank, constraint=0.0)
    return made


def _alpha(request: Request, tensors: Tensors) -> float:
    return 0.0


def _change(seen: Seen) -> torch.Tensor:
    from lycoris.functional.diag_oft import diff_weight

    blocks = seen.drop(seen.tensors[BLOCKS], 0)
    weight: torch.Tensor = diff_weight(seen.weight, blocks, None, constraint=0.0, backend="torch")
    return weight.reshape(seen.shape)


def _settle(seen: Seen) -> None:
    """Both bounds: that of a file of LyCORIS', in alpha, and the run's own."""
    blocks = seen.tensors[BLOCKS]
    bounds = [bound * seen.shape[0] for bound in (seen.alpha, seen.settings.constraint) if bound > 0]
    if bounds:
        length = float((blocks - blocks.transpose(1, 2)).float().norm())
        # Not again for the last bit: what one pass has used must not change before its gradient is known.
        slack = 1e-6 if blocks.dtype == torch.float32 else 2 * torch.finfo(blocks.dtype).eps
        if length > min(bounds) * (1 + slack):
            blocks.mul_(min(bounds) / length)


KIND = Kind(make=_make, change=_change, roles={BLOCKS: "weight"}, alpha=_alpha, settle=_settle)


def attach(model: Model, sites: Sequence[Site], *, settings: AdapterSettings) -> Attached:
    """A stack of blocks beside each site. Raises ConfigError, MissingExtraError."""
    return _lycoris.attach(model, sites, settings=settings, kind=KIND)


def size_of(tensors: Mapping[str, torch.Tensor]) -> tuple[int, float] | None:
    """The size of a block; alpha is no matter here."""
    blocks = tensors.get(BLOCKS)
    return None if blocks is None or blocks.dim() != 3 else (blocks.shape[1], 1.0)


ADAPTER = Adapter(
    name="oft", product="lora", attach=attach, network_module="lycoris.kohya", algo="diag-oft", size_of=size_of
)
