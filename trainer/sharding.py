"""Full finetunes that no GPU holds alone: each process holds a piece of every weight, gradient and optimizer state.

torch's `fully_shard` (FSDP2; Zhao et al. 2023, arXiv 2304.11277) brings a block's weights together while it runs
and takes them apart again. Weights are then DTensors: of the whole shape for who asks, a piece in memory; the
optimizer and an average take them as they are. Only where tensors are written or read must they be made whole here.
Whatever runs the network (a batch, a sample, a validation) is run by all processes alike, or they wait for ever.

accelerate's own plugin is not used: it averages gradients where ours are sums over a step's pictures, and leaves the
outermost weights together after a look without gradients, so that an average put in their place stays there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from trainer.contracts.model import Model
from trainer.processes import Processes, is_sharded

UNITS = ("BasicTransformerBlock", "ResnetBlock2D")
"""Class names of the modules whose weights come together at once; what lies outside of them is one more."""

Tensors = dict[str, torch.Tensor]


def shard(model: Model, processes: Processes, *, parts: Sequence[str] = ("unet",)) -> None:
    """Takes these parts apart among all processes, in place, each piece on its device.

    To be done before anything holds their parameters. Gradients come out summed over the processes, batch by batch.
    """
    mesh = init_device_mesh(model.device.type, (processes.count,))
    for part in parts:
        network = model.parts[part]
        units = [module for module in network.modules() if type(module).__name__ in UNITS]
        for module in [*reversed(units), network]:
            fully_shard(module, mesh=mesh, reshard_after_forward=True)
        for module in network.modules():
            if isinstance(module, FSDPModule):
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)


def whole(tensors: Mapping[str, torch.Tensor], processes: Processes) -> Tensors:
    """Tensors that can be written: those in pieces come together in main memory, one after the other.

    For the first process; the others, who must take part, get nothing. What is not in pieces stays as it is.
    """
    found: Tensors = {}
    for name, tensor in tensors.items():
        joined = _joined(tensor)
        if processes.is_main:
            found[name] = joined.cpu() if is_sharded(tensor) else joined
    return found


def spread(tensors: Mapping[str, torch.Tensor], like: Mapping[str, torch.Tensor]) -> Tensors:
    """Whole tensors, which each process has, as pieces where the tensor of the same name in `like` is one."""
    return {name: _piece(tensor, like.get(name)) for name, tensor in tensors.items()}


def spread_state(tensors: Mapping[str, torch.Tensor], parameters: Sequence[nn.Parameter]) -> Tensors:
    """An optimizer's whole tensors as pieces; they are called `<number of the parameter>.<name>`.

    What has not the shape of its parameter, such as a count of steps, is the same for all processes.
    """
    return {name: _piece(tensor, _owner(name, parameters)) for name, tensor in tensors.items()}


@contextmanager
def gathered(model: Model, processes: Processes) -> Iterator[None]:
    """Meanwhile the first process' model holds its weights whole, in main memory, to be written; it cannot run."""
    replaced: list[tuple[nn.Module, str, nn.Parameter]] = []
    try:
        for module in [module for part in model.parts.values() for module in part.modules()]:
            for name, weight in list(module.named_parameters(recurse=False)):
                if not is_sharded(weight):
                    continue
                joined = _joined(weight)
                if processes.is_main:
                    replaced.append((module, name, weight))
                    module.register_parameter(name, nn.Parameter(joined.cpu(), requires_grad=False))
        yield
    finally:
        for module, name, weight in replaced:
            module.register_parameter(name, weight)


def norm(parameters: Sequence[nn.Parameter]) -> float:
    """Length of all gradients together, of pieces and of whole ones. All processes must ask."""
    found = [parameter.grad for parameter in parameters if parameter.grad is not None]
    lengths = [_joined(torch.linalg.vector_norm(grad)) for grad in found]
    return float(torch.linalg.vector_norm(torch.stack(lengths))) if found else 0.0


def _joined(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor whole; all processes must ask."""
    joined: torch.Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return joined.detach()


def _piece(tensor: torch.Tensor, like: torch.Tensor | None) -> torch.Tensor:
    if not isinstance(like, DTensor) or tensor.shape != like.shape:
        return tensor
    device = like.to_local().device
    # Each process cuts its own piece out of what it has read; nothing is sent.
    pieces = distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)
    return pieces.to(device=device)


def _owner(name: str, parameters: Sequence[nn.Parameter]) -> torch.Tensor | None:
    number = name.partition(".")[0]
    return parameters[int(number)] if number.isdecimal() and int(number) < len(parameters) else None
