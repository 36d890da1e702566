"""Where networks lie while they are needed: what is not trained waits in main memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from trainer.contracts.model import Model


@contextmanager
def using(model: Model, parts: Iterable[str]) -> Iterator[None]:
    """Inside, these networks, such as `unet` or `vae`, lie on the model's device; those that it brought there go back.

    Does nothing where the model works on the CPU. Calls may be nested: who needs a network that is there already
    leaves it there.
    """
    if model.device.type == "cpu":
        yield
        return
    before: dict[str, torch.device] = {}
    try:
        for part in parts:
            lay = model.place(part, model.device)
            if lay.type != model.device.type:
                before[part] = lay
        yield
    finally:
        for part, device in before.items():
            model.place(part, device)
        if before and model.device.type == "cuda":
            # Else what it took up stays with torch, cut into pieces that fit nothing else.
            torch.cuda.empty_cache()


@contextmanager
def aside(model: Model, parts: Iterable[str], *, for_bytes: int) -> Iterator[None]:
    """Inside, these networks wait in main memory, where the GPU has not as much left as is needed; else they stay."""
    if model.device.type != "cuda":
        yield
        return
    torch.cuda.empty_cache()  # What torch holds and does not use counts as taken.
    if torch.cuda.mem_get_info(model.device)[0] >= for_bytes:
        yield
        return
    before = {part: model.place(part, torch.device("cpu")) for part in parts}
    torch.cuda.empty_cache()
    try:
        yield
    finally:
        for part, device in before.items():
            model.place(part, device)


def text_parts(model: Model) -> tuple[str, ...]:
    """Names of the text encoders."""
    return tuple(model.token_embeddings)
