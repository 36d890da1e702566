"""Several processes that train one thing: who they are, and what they tell each other.

Each has the whole model and takes its share of a step's batches. Gradients are summed before the update, so all come
to the same weights, those that one process would have come to with all the batches. accelerate finds out who is who
and connects them: NCCL between GPUs, gloo for the rest, which is numbers, flags and words on the CPU.

The networks are not wrapped (as by DistributedDataParallel): a wrapped one waits for gradients from every process
in every batch, and averages where a step's pictures are to be counted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from trainer.errors import ConfigError, LostProcessError

if TYPE_CHECKING:
    import torch

BUCKET_BYTES = 32 * 2**20
"""Small gradients travel together, up to so much at once."""
PATIENCE = timedelta(days=7)
"""How long one waits for another, which may be filling caches or painting; who died is noticed without it."""

T = TypeVar("T")


@dataclass(frozen=True)
class Part(Generic[T]):
    """A batch that this process takes."""

    place: int
    """Of the batch in the step, over all processes."""
    batch: T
    counts: bool = True
    """Whether its loss counts; if not, it is only there to keep pace."""


@dataclass(frozen=True)
class Processes:
    """This process among those of its run. What is told is told in the same order by all, or they wait for ever."""

    rank: int = 0
    count: int = 1
    device: str = ""
    """torch's name of this process' own device; empty where it is alone and the config decides."""

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def share(self, batches: Sequence[T], *, even: bool = False) -> list[Part[T]]:
        """Those of a step's batches that fall to this process, in order.

        With `even`, all take equally many: who would have fewer takes its last one, or the step's, again, uncounted.
        """
        mine = [Part(place, batches[place]) for place in range(self.rank, len(batches), self.count)]
        if even and len(mine) < -(-len(batches) // self.count):
            mine.append(Part(len(batches) - 1, batches[-1], counts=False))
        return mine

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Each gradient becomes the sum of all processes'; none counts as zero, and stays none where nobody has one.

        Summed in float32. The parameters are the same and in the same order everywhere. Sharded ones are left
        alone: their gradients have been summed on the way back.
        """
        if self.count == 1:
            return
        import torch

        whole = [parameter for parameter in parameters if not is_sharded(parameter)]
        has = torch.tensor([parameter.grad is not None for parameter in whole], dtype=torch.uint8)
        self._reduce(has, "MAX")
        for bucket in _buckets(
            [parameter for parameter, is_there in zip(whole, has.tolist(), strict=True) if is_there]
        ):
            flat = torch.cat([_gradient(parameter).reshape(-1).float() for parameter in bucket])
            self._reduce(flat, "SUM")
            sizes = [parameter.numel() for parameter in bucket]
            for parameter, summed in zip(bucket, torch.split(flat, sizes), strict=True):
                _gradient(parameter).copy_(summed.view(parameter.shape))

    def sum_numbers(self, numbers: Sequence[float]) -> list[float]:
        """Sums, number by number, over all processes."""
        if self.count == 1:
            return list(numbers)
        import torch

        summed = torch.tensor(numbers, dtype=torch.float64)
        self._reduce(summed, "SUM")
        return [float(number) for number in summed]

    def agree(self, flag: bool) -> bool:
        """Whether any of them says so."""
        if self.count == 1:
            return flag
        import torch

        told = torch.tensor([flag], dtype=torch.uint8)
        self._reduce(told, "MAX")
        return bool(told.item())

    def wait(self) -> None:
        """Until all have come here."""
        self.agree(False)

    def first(self, told: T) -> T:
        """What the first process says; JSON."""
        return self.every(told if self.is_main else None)[0]  # type: ignore[return-value]

    def every(self, told: T) -> list[T]:
        """What each process says, in the order of their ranks; JSON, also where there is one only."""
        own = json.dumps(told).encode()
        if self.count == 1:
            return [json.loads(own)]
        import torch

        sizes = [0] * self.count
        sizes[self.rank] = len(own)
        sizes = [int(size) for size in self.sum_numbers(sizes)]
        words = torch.zeros((self.count, max(sizes)), dtype=torch.uint8)
        words[self.rank, : len(own)] = torch.frombuffer(bytearray(own), dtype=torch.uint8)
        self._reduce(words, "SUM")
        return [json.loads(row[:size].numpy().tobytes()) for row, size in zip(words, sizes, strict=True)]

    def end(self) -> None:
        """Parts from the others, when all are done."""
        if self.count > 1:
            import torch.distributed as dist

            self.wait()
            _heard(dist.destroy_process_group)

    def _reduce(self, tensor: torch.Tensor, how: str) -> None:
        import torch.distributed as dist

        _heard(lambda: dist.all_reduce(tensor, op=getattr(dist.ReduceOp, how)))


def start(device: str = "auto") -> Processes:
    """Joins the processes that were launched together; alone, does nothing and imports nothing.

    `device` is that of the config: auto, cpu or cuda. Raises ConfigError where there are not as many GPUs.
    """
    if not is_launched():
        return Processes()
    import torch
    from accelerate import PartialState
    from accelerate.utils import check_cuda_p2p_ib_support

    on_gpu = device != "cpu" and torch.cuda.is_available()
    if device == "cuda" and not on_gpu:
        raise ConfigError("train.device: no GPU is available to torch", hint='set device = "auto" or "cpu"')
    if on_gpu:
        _require_gpus(torch.cuda.device_count())
        if not check_cuda_p2p_ib_support():  # Some cards cannot, and PartialState refuses to find out.
            os.environ.setdefault("NCCL_P2P_DISABLE", "1")
            os.environ.setdefault("NCCL_IB_DISABLE", "1")
    backend = "cuda:nccl,cpu:gloo" if on_gpu else "gloo"
    state = _heard(lambda: PartialState(cpu=not on_gpu, backend=backend, timeout=PATIENCE))
    own = str(state.device) if on_gpu else "cpu"
    return Processes(state.process_index, state.num_processes, own)


def is_launched() -> bool:
    """Whether a launcher (ours, accelerate's, torchrun) has started this process as one of several."""
    return "LOCAL_RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_sharded(tensor: torch.Tensor) -> bool:
    """Whether each process holds a piece of it only."""
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


@contextmanager
def exchanging() -> Iterator[None]:
    """Raises LostProcessError where torch itself hears no more of another process, as a network in pieces may."""
    import torch.distributed as dist

    try:
        yield
    except RuntimeError as error:
        # gloo's errors have no type of their own; they name the file they come from.
        if isinstance(error, dist.DistError) or "/gloo/" in str(error):
            raise _lost() from error
        raise


def _require_gpus(num: int) -> None:
    wanted = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"]))
    if wanted > num:
        raise ConfigError(
            f"{wanted} processes need as many GPUs, torch sees {num}",
            hint=f'start {num}, or set train.device = "cpu"',
        )


def _buckets(parameters: Sequence[torch.nn.Parameter]) -> Iterator[list[torch.nn.Parameter]]:
    """Neighbours on one device, up to BUCKET_BYTES of float32 together; a larger one is alone."""
    bucket: list[torch.nn.Parameter] = []
    size = 0
    for parameter in parameters:
        more = 4 * parameter.numel()
        if bucket and (size + more > BUCKET_BYTES or parameter.device != bucket[0].device):
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += more
    if bucket:
        yield bucket


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    """The gradient, made where there is none."""
    import torch

    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _heard(exchange: Callable[[], T]) -> T:
    """What an exchange comes to. Raises LostProcessError where another process has ended."""
    import torch

    try:
        return exchange()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise _lost() from error


def _lost() -> LostProcessError:
    return LostProcessError(
        "another process of this run has failed, or cannot be reached",
        hint="what it says itself tells why; the last checkpoint is unharmed",
    )
