"""Memory that a training step needs beside the weights, told without a GPU: the table of trainer/memory/activations.py.

    python -m tests.benchmarks.measure_activations [--families sd15,sdxl,tiny] [--adapters lora,full,...]

The whole networks are built without memory (torch's meta device) and do a step forward and back; every storage that
comes to be is counted from its making to its end, what is saved for the way back, casts of weights, gradients and what
checkpointing makes again among it. Exact: shapes, types and lifetimes of PyTorch's own tensors, in its own autograd.
Taken for granted, not exact: bf16 autocast is done here after CUDA's lists (meta tensors know none): linear layers,
convolutions and matrix products in bf16, norms and softmax in float32, casts of trained weights kept while the context
lasts; attention is flash attention (bf16) or memory-efficient attention (float32), by declared outputs. Not counted:
workspaces of cuDNN and cuBLAS, the allocator's rounding and gaps, the CUDA context; they are constants of the estimate.

Each line of the table is fitted to sizes and batches: bytes = fixed + slope x latent pixels x pictures. The worst
deviation of any measured point from its line is printed beside it.
"""

from __future__ import annotations

import argparse
import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_iter  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from trainer import targeting  # noqa: E402
from trainer.adapters import lora  # noqa: E402
from trainer.contracts.adapter import AdapterSettings  # noqa: E402
from trainer.families import _networks, tiny  # noqa: E402
from trainer.families._network_settings import shipped  # noqa: E402
from trainer.registry import ADAPTERS, FAMILIES  # noqa: E402
from trainer.sections import AdapterConfig  # noqa: E402

RANK = 16
POINTS = {
    "tiny": ((16, 1), (32, 1), (32, 3)),
    "sd15": ((64, 1), (64, 2), (96, 1), (128, 1)),
    "sdxl": ((64, 1), (96, 1), (128, 1), (128, 2)),
}
"""Latent sides and batches that are measured."""
_HALF = {
    torch._C._nn.linear,
    torch.conv2d,
    torch.bmm,
    torch.matmul,
    torch.baddbmm,
    torch.Tensor.matmul,
    torch.Tensor.bmm,
}
_WHOLE = {torch.layer_norm, torch.group_norm, torch.softmax, torch.Tensor.softmax}
Pair = tuple[torch.dtype, bool]
PRECISIONS: dict[str, Pair] = {
    "fp32": (torch.float32, False),
    "bf16": (torch.float32, True),
    "bf16 weights": (torch.bfloat16, True),
}
"""Name -> how the weights are held, and whether the arithmetic is bf16."""


@dataclass(frozen=True)
class Setting:
    """One line of the table."""

    family: str
    adapter: str
    precision: str
    checkpointing: bool


class Tracker(TorchDispatchMode):
    """Counts the bytes of storages that live, and the most that ever did at once."""

    def __init__(self, known: Iterator[torch.Tensor]) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.seen = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_iter(out):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage())
        return out

    def _note(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self.seen:
            self.seen.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self.live -= size
        self.seen.discard(key)


class Autocast(TorchFunctionMode):
    """CUDA's autocast to bf16, as far as these networks need it."""

    paused = False

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[torch.Tensor, torch.Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        to = torch.bfloat16 if func in _HALF else torch.float32 if func in _WHOLE else None
        given = kwargs or {}
        if to is None or Autocast.paused:
            return func(*args, **given)
        return func(*(self._cast(one, to) for one in args), **{key: self._cast(one, to) for key, one in given.items()})

    def _cast(self, value: Any, to: torch.dtype) -> Any:
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.dtype == to:
            return value
        if value.is_leaf and value.requires_grad and value.dtype == torch.float32:
            if value not in self.kept:
                self.kept[value] = value.to(to)
            return self.kept[value]
        return value.to(to)


def attention(query: Any, key: Any, value: Any, *_: Any, is_causal: bool = False, **__: Any) -> Any:
    """What takes the place of scaled_dot_product_attention; masks are of no matter to memory here."""
    if query.dtype == torch.float32:
        found = torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, None, True)
    else:
        found = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)
    return found[0]


@contextmanager
def _paused(*_: Any, enabled: bool = True, **__: Any) -> Iterator[None]:
    """What takes the place of torch.autocast, which adapters switch off for what they do in float32."""
    before = Autocast.paused
    Autocast.paused = not enabled
    try:
        yield
    finally:
        Autocast.paused = before


@contextmanager
def _replaced(is_half: bool) -> Iterator[None]:
    """Inside, torch takes meta tensors for those of a GPU where the networks ask it."""
    places: tuple[tuple[Any, str, Any], ...] = (
        (nn.functional, "scaled_dot_product_attention", attention),
        (lora.LoraLayer, "start", lambda *_: None),
        (torch, "is_autocast_enabled", lambda *_: is_half and not Autocast.paused),
        (torch, "get_autocast_dtype", lambda *_: torch.bfloat16),
        (torch, "autocast", _paused),
    )
    own = [getattr(place, name) for place, name, _ in places]
    for place, name, value in places:
        setattr(place, name, value)
    try:
        yield
    finally:
        for (place, name, _), value in zip(places, own, strict=True):
            setattr(place, name, value)


def network(setting: Setting) -> nn.Module:
    """The whole UNet on the meta device, with the adapter on it."""
    settings = tiny.UNET if setting.family == "tiny" else shipped(setting.family)["unet"]  # type: ignore[arg-type]
    dtype, _ = PRECISIONS[setting.precision]
    with torch.device("meta"):
        made = _networks._make("unet", settings)
        for weight in made.parameters():
            weight.data = weight.data.to(dtype)
    made.requires_grad_(setting.adapter == "full").train()
    if setting.adapter not in ("full", "none"):
        # Made as it always is, first weights left out, and then without memory as the rest.
        with _replaced(False):
            _attach(made, setting)
    return made.to("meta")


def _attach(unet: nn.Module, setting: Setting) -> None:
    kind = ADAPTERS.load(setting.adapter, field="adapter.name")
    family = FAMILIES.load(setting.family, field="model.family")
    parts = {"unet": unet}
    sites = targeting.sites(parts, family, AdapterConfig(rank=RANK, alpha=RANK), kinds=kind.kinds)
    # A LoRA's matrices follow the network; the others' lie apart from it, and go where the model is.
    device = torch.device("cpu" if setting.adapter == "lora" else "meta")
    holder: Any = SimpleNamespace(parts=parts, device=device)
    kind.attach(holder, sites, settings=AdapterSettings(seed=0))


def _inputs(unet: Any, side: int, batch: int, dtype: torch.dtype) -> tuple[tuple[Any, ...], dict[str, Any]]:
    made = partial(torch.empty, device="meta", dtype=dtype)
    states = made(batch, 77, unet.config.cross_attention_dim)
    added = None
    if unet.config.addition_embed_type == "text_time":
        width = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
        added = {"text_embeds": made(batch, width), "time_ids": made(batch, 6)}
    return (made(batch, 4, side, side, requires_grad=True), made(batch), states), {"added_cond_kwargs": added}


def measure(setting: Setting, side: int, batch: int) -> int:
    """Peak bytes of one step beside weights and the adapter; the network's own gradients are let go at once."""
    unet: Any = network(setting)
    dtype, is_half = PRECISIONS[setting.precision]
    # Casts that are kept are forgotten with it, as autocast forgets them where its context ends.
    cast: Callable[[], Any] = Autocast if is_half else nullcontext
    if setting.checkpointing:
        again = partial(
            checkpoint, use_reentrant=False, preserve_rng_state=False, context_fn=lambda: (nullcontext(), cast())
        )
        unet.enable_gradient_checkpointing(again)
    if setting.adapter == "full":
        for weight in unet.parameters():
            weight.register_post_accumulate_grad_hook(lambda own: setattr(own, "grad", None))
    args, kwargs = _inputs(unet, side, batch, torch.float32 if is_half else dtype)
    tracker = Tracker(iter([*unet.parameters(), *unet.buffers(), *args[:1]]))
    with tracker, _replaced(is_half):
        with cast():
            out = unet(*args, **kwargs, return_dict=False)[0]
        out.float().square().mean().backward()
    del out
    gc.collect()
    return int(tracker.peak)


def measure_vae(family: str, side_px: int, decodes: bool) -> int:
    """Peak bytes of encoding or decoding one picture in float32 without gradients, beside the weights."""
    settings = tiny.VAE if family == "tiny" else shipped(family)["vae"]  # type: ignore[arg-type]
    with torch.device("meta"):
        vae: Any = _networks._make("vae", settings)
    stride = 2 ** (len(vae.config.block_out_channels) - 1)
    shape = (1, 4, side_px // stride, side_px // stride) if decodes else (1, 3, side_px, side_px)
    seen = torch.empty(shape, device="meta")
    tracker = Tracker(iter([*vae.parameters(), *vae.buffers(), seen]))
    with torch.no_grad(), tracker, _replaced(False):
        found = vae.decode(seen) if decodes else vae.encode(seen)
    del found
    return int(tracker.peak)


def fitted(points: list[tuple[int, int]]) -> tuple[int, int, float]:
    """Fixed bytes, bytes per latent pixel and picture, and the worst deviation in shares of what was measured."""
    count = len(points)
    middle, mean = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    slope = sum((x - middle) * (y - mean) for x, y in points) / sum((x - middle) ** 2 for x, _ in points)
    fixed = mean - slope * middle
    worst = max(abs(fixed + slope * x - y) / y for x, y in points)
    return round(fixed), round(slope), worst


def settings(families: list[str], adapters: list[str]) -> Iterator[Setting]:
    """The lines that are measured; kinds beside lora and full in bf16 arithmetic alone."""
    for family in families:
        for adapter in adapters:
            for precision in PRECISIONS if adapter in ("lora", "full") else ("bf16", "bf16 weights"):
                for checkpointing in (False, True):
                    yield Setting(family, adapter, precision, checkpointing)


def main() -> None:
    """Prints the lines of the table, each with the deviation of its points."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", default="sd15,sdxl,tiny")
    parser.add_argument("--adapters", default="lora,full,loha,lokr,dora,oft,none")
    given = parser.parse_args()
    for setting in settings(given.families.split(","), given.adapters.split(",")):
        points = [(side * side * batch, measure(setting, side, batch)) for side, batch in POINTS[setting.family]]
        fixed, slope, worst = fitted(points)
        key = (setting.family, setting.adapter, setting.precision, setting.checkpointing)
        shown = ", ".join(f"{pixels}: {size / 1e9:.2f}" for pixels, size in points)
        print(f"    {key!r}: ({fixed:_}, {slope:_}),  # {worst:.1%}; GB at {shown}", flush=True)


if __name__ == "__main__":
    main()
