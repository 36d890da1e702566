"""Puts a plan for the memory into effect on a model that its adapter is attached to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from trainer.contracts.model import Model
from trainer.errors import ConfigError
from trainer.memory import stored

if TYPE_CHECKING:
    from trainer.config import Config

_REPEATED = {"BasicTransformerBlock", "ResnetBlock2D"}
"""Blocks that are compiled one by one: of most sizes there are many, which share what was compiled."""
_RECOMPILATIONS = 64
"""Widths, sizes of batches and pictures, training or not: each block is compiled for several; torch gives up at 8."""


def prepare(model: Model, config: Config) -> None:
    """Stores frozen weights as told, places what is trained on the model's device, and how it shall run.

    The config is settled; the adapter is attached, nothing of the model has run. Raises ConfigError.
    """
    asked = config.memory
    networks = [network for part, network in model.parts.items() if part not in model.token_embeddings]
    # Settled numbers; a plan that was never made asks for nothing.
    share = 0.0 if asked.offload == "auto" else asked.offload
    _refuse(config, is_stored=share > 0 or asked.weights == "fp8")
    is_last = model.device.type == "cuda" if asked.channels_last == "auto" else asked.channels_last
    for network in networks:
        if is_last:
            _channels_last(network)
        _store(network, float8=asked.weights == "fp8", share=share)
    trained = [part for part, network in model.parts.items() if network in networks or _learns(network)]
    for part in trained:
        model.place(part, model.device)
        if asked.checkpointing is True:
            _checkpoint(model.parts[part], part)
    if asked.compile:
        for network in networks:
            _compile(network)


def _refuse(config: Config, *, is_stored: bool) -> None:
    if config.memory.weights == "fp8" and config.adapter.name == "full":
        raise ConfigError(
            "memory.weights: a full finetune would write the weights that are not trained as fp8 left them",
            hint='use weights = "bf16", and offload if it does not fit',
        )
    if config.memory.compile and is_stored:
        raise ConfigError(
            "memory.compile: weights in fp8 or in main memory cannot be compiled",
            hint='leave out compile, or set weights = "bf16" and offload = 0',
        )


def _learns(network: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in network.parameters())


def _store(network: nn.Module, *, float8: bool, share: float) -> None:
    """Linear layers and convolutions that are not trained; norms, embeddings and biases stay."""
    layers = [module for module in network.modules() if stored.can_keep(module)]
    away = stored.spread([stored.weight_of(layer).nbytes for layer in layers], share)
    for layer, is_away in zip(layers, away, strict=True):
        if float8 or is_away:
            stored.keep(layer, float8=float8, away=is_away)


def _channels_last(network: nn.Module) -> None:
    """Of convolutions' weights; what they read follows."""
    for module in network.modules():
        if type(module) is nn.Conv2d:
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)


def _checkpoint(network: nn.Module, part: str) -> None:
    """Lets the blocks that the network's library can run twice do so. Raises ConfigError where there are none."""
    blocks = list(_blocks(network))
    if not blocks:
        raise ConfigError(f"memory.checkpointing: nothing in {part} can be run again", hint="set checkpointing = false")
    for block in blocks:
        block.gradient_checkpointing = True
        block._gradient_checkpointing_func = _run_again
        # Some look at it. Its children do not follow, so that what is dropped stays as it was.
        block.training = True


def _blocks(network: nn.Module) -> Iterator[Any]:
    return (module for module in network.modules() if hasattr(module, "gradient_checkpointing"))


def _run_again(run: Callable[..., Any], *arguments: Any) -> Any:
    """Random generators and autocast are the second time as they were the first."""
    return checkpoint(run, *arguments, use_reentrant=False)


def _compile(network: nn.Module) -> None:
    """Sizes that vary are found out: what comes with a second one is compiled for all."""
    import torch._dynamo

    settings: Any = torch._dynamo.config
    settings.recompile_limit = max(settings.recompile_limit, _RECOMPILATIONS)
    blocks = [module for module in network.modules() if type(module).__name__ in _REPEATED]
    for block in blocks or [network]:
        block.forward = _Compiled(torch.compile(block.forward))


class _Compiled:
    """A compiled forward that never sees rows [B, N, D] out of order.

    torch 2.13's inductor takes them, on the CPU at least, and gets the gradient of its input wrong: SD 1.5's blocks
    read a picture whose axes were swapped.
    """

    def __init__(self, run: Callable[..., Any]) -> None:
        self.run = run

    def __call__(self, hidden: torch.Tensor, *arguments: Any, **named: Any) -> Any:
        return self.run(hidden.contiguous() if hidden.dim() == 3 else hidden, *arguments, **named)
