"""Many pictures at once, each the one that `ddim.pictures` makes of its prompt alone, up to the last bits of a sum.

Only prompts whose texts are read to equal shapes go together: filling a short text up would change what it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from trainer.contracts.model import Condition, Geometry, Model
from trainer.contracts.objective import NoisePath, Objective
from trainer.memory.placing import aside, text_parts, using
from trainer.sampling.ddim import DECODING_BYTES, Guide, denoise
from trainer.sampling.prompts import Prompt
from trainer.seeds import normal

_DECODED_PX = 1 << 20
"""Pixels that are decoded at once, at most, unless one picture has more: an autoencoder takes most of the memory."""
_USUAL_PX = 4 << 20
_MOST = 16


@dataclass(frozen=True)
class Brush:
    """What pictures are made with."""

    model: Model
    objective: Objective
    path: NoisePath
    stride_px: int
    guidance_rescale: float = 0.0


def usual_size(size_px: tuple[int, int]) -> int:
    """How many pictures of this size are made at once where nobody says: 16, of 1024 px 4."""
    return max(1, min(_MOST, _USUAL_PX // (size_px[0] * size_px[1])))


@torch.no_grad()
def read(model: Model, prompts: Iterable[Prompt]) -> dict[str, Condition]:
    """What the text encoders say of every text of these prompts, each read once."""
    texts: dict[str, None] = {}
    for prompt in prompts:
        texts.setdefault(prompt.text)
        if prompt.guidance != 1.0:
            texts.setdefault(prompt.negative)
    with using(model, text_parts(model)):
        return {text: model.encode_text([text])[0] for text in texts}


def alike(prompts: Sequence[Prompt], texts: Mapping[str, Condition], *, size: int) -> list[list[int]]:
    """The places of prompts that can be made at once, at most `size` of them; in their order."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, prompt in enumerate(prompts):
        unwanted = _shapes(texts[prompt.negative]) if prompt.guidance != 1.0 else ()
        key = (prompt.size_px, prompt.steps, prompt.guidance, _shapes(texts[prompt.text]), unwanted)
        groups.setdefault(key, []).append(place)
    return [places[start : start + size] for places in groups.values() for start in range(0, len(places), size)]


@torch.no_grad()
def pixels(brush: Brush, prompts: Sequence[Prompt], texts: Mapping[str, Condition]) -> torch.Tensor:
    """Pictures [B, 3, h, w] in about -1..1 of prompts that are `alike`; each from the noise of its seed and draw."""
    model, first = brush.model, prompts[0]
    painters = [part for part in model.parts if part not in text_parts(model)]
    width, height = (side // brush.stride_px for side in first.size_px)
    shape = (model.latent_channels, height, width)
    with using(model, painters):
        noise = torch.stack([normal(shape, prompt.seed, prompt.draw, "sample") for prompt in prompts])
        way = brush.path.sampling_times(first.steps).tolist()
        guide = _guide(brush, prompts, texts)
        clean = denoise(model, brush.objective, brush.path, noise=noise.to(model.device), way=way, guide=guide)
    area = first.size_px[0] * first.size_px[1]
    at_once = max(1, _DECODED_PX // area)
    with aside(model, painters, for_bytes=min(at_once, len(prompts)) * area * DECODING_BYTES), using(model, ("vae",)):
        parts = [clean[start : start + at_once] for start in range(0, len(clean), at_once)]
        return torch.cat([model.decode(some).cpu() for some in parts])


def _guide(brush: Brush, prompts: Sequence[Prompt], texts: Mapping[str, Condition]) -> Guide:
    geometry = [Geometry(prompt.size_px, (0, 0), prompt.size_px) for prompt in prompts]
    wanted = brush.model.assemble([texts[prompt.text] for prompt in prompts], geometry)
    unwanted = None
    if prompts[0].guidance != 1.0:
        unwanted = brush.model.assemble([texts[prompt.negative] for prompt in prompts], geometry)
    return Guide(wanted, unwanted, prompts[0].guidance, brush.guidance_rescale)


def _shapes(text: Condition) -> tuple[tuple[str, torch.Size], ...]:
    return tuple((name, tensor.shape) for name, tensor in sorted(text.items()))
