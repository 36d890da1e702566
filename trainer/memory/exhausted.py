"""What is said where memory was not enough after all: which settings to change next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from trainer.config import Config
from trainer.errors import OutOfMemoryError
from trainer.memory.sizes import FULL, WORD

GPU, MAIN = "the GPU's memory", "the computer's memory"
_GPU = re.compile(r"CUDA out of memory|CUDA error: out of memory|_STATUS_ALLOC_FAILED")
_CPU = re.compile(r"not enough memory|can't allocate memory|DefaultCPUAllocator|std::bad_alloc", re.IGNORECASE)
_ASKED = re.compile(r"allocate (?P<size>\d+ bytes|[\d.]+ ?[KMGT]?i?B)", re.IGNORECASE)


_AFTER = "Only with other checkpointing or offload does it go on from the checkpoint; else begin anew with --restart"
"""As trainer/plan.py has it: what decides the weights cannot change."""


def explained(config: Config) -> AbstractContextManager[None]:
    """Inside, running out of memory is an OutOfMemoryError with advice for this config, and no trace."""
    return advised(lambda where: f"{advice(config, where)}. {_AFTER}")


@contextmanager
def advised(cure: Callable[[str], str]) -> Iterator[None]:
    """Inside, running out of memory is an OutOfMemoryError with the cure for that memory, which is GPU or MAIN."""
    try:
        yield
    except MemoryError as error:
        raise _told(error, cure, where=MAIN) from error
    except RuntimeError as error:
        where = _where(error)
        if not where:
            raise
        raise _told(error, cure, where=where) from error


def advice(config: Config, where: str = GPU) -> str:
    """The settings to change next, the ones that cost least first; `where` is GPU or MAIN."""
    return "; ".join(_next(config, on_gpu=where == GPU)[:3])


def _where(error: RuntimeError) -> str:
    """Which memory it was; empty: another error."""
    # torch.OutOfMemoryError, by its name: nothing here loads torch.
    if type(error).__name__ == "OutOfMemoryError" or _GPU.search(str(error)):
        return GPU
    return MAIN if _CPU.search(str(error)) else ""


def _told(error: BaseException, cure: Callable[[str], str], *, where: str) -> OutOfMemoryError:
    asked = _ASKED.search(str(error))
    more = f" for {asked['size']} more" if asked else ""
    return OutOfMemoryError(f"{where} is not enough{more}; the last checkpoint is unharmed", hint=cure(where))


def _next(config: Config, *, on_gpu: bool) -> list[str]:
    memory, train = config.memory, config.train
    is_full, has_rank = config.adapter.name == FULL, config.adapter.name not in (FULL, WORD)
    small = config.optimizer.name in ("adafactor", "adamw8bit", "lion8bit", "paged_adamw8bit", "paged_lion8bit")
    share = memory.offload if isinstance(memory.offload, float) else 0.0
    can_fuse = is_full and not memory.fused_backward and train.gradient_accumulation == 1
    found = (
        (on_gpu and not memory.vram, "set memory.vram to the GPU's GiB, which plans all of this"),
        (memory.checkpointing is not True, "set memory.checkpointing = true"),
        (not on_gpu and share > 0, f"set memory.offload = {share / 2:g}, for those weights wait there"),
        (train.batch_size > 1, f"set train.batch_size = {train.batch_size // 2}, or that of the dataset TOML"),
        (train.precision != "bf16", 'set train.precision = "bf16"'),
        (memory.weights == "fp32", 'set memory.weights = "bf16"'),
        (memory.text_weights == "fp32", 'set memory.text_weights = "bf16"'),
        (is_full and not small, 'set optimizer.name = "adafactor"'),
        (can_fuse, "set memory.fused_backward = true"),
        (not is_full and memory.weights != "fp8", 'set memory.weights = "fp8"'),
        (on_gpu and not is_full and share < 1.0, f"set memory.offload = {min(share + 0.25, 1.0)}"),
        (has_rank and config.adapter.rank > 8, f"set adapter.rank = {config.adapter.rank // 2}"),
        (is_full, 'train a LoRA instead: adapter.name = "lora"'),
        (True, "set a smaller dataset.resolution"),
    )
    return [text for holds, text in found if holds]
