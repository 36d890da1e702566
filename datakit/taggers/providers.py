"""What a tagger runs on: the first of CUDA, DirectML, CoreML and the CPU that this computer has, or the one told.

It is no setting of a dataset: the same dataset is captioned on many computers, and the captions are the same within
the last digits of a score. `dsk caption --provider` tells it for one run, `$DSK_PROVIDER` for all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from datakit.errors import UsageError
from datakit.registry import nearest

VARIABLE: Final = "DSK_PROVIDER"
PROVIDERS: Final = {
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Name for people → onnxruntime's, the best first."""
_PACKAGES: Final = {"cuda": "onnxruntime-gpu", "directml": "onnxruntime-directml"}
_TOLD: ContextVar[str] = ContextVar("provider", default="")


@contextmanager
def told_provider(name: str) -> Iterator[None]:
    """Within it, sessions run on this provider; '' leaves it to the environment.

    Raises:
        UsageError: no such provider, or this computer does not have it.
    """
    if name:
        _checked(name, f"--provider {name}")
    token = _TOLD.set(name)
    try:
        yield
    finally:
        _TOLD.reset(token)


def choose(name: str = "") -> list[str]:
    """Names of the providers that a session may use, the best first; all that are here where none was told.

    Raises:
        UsageError: as `told_provider`, also for what the environment tells.
    """
    if name:
        return [_checked(name, name)]
    if _TOLD.get():
        return [_checked(_TOLD.get(), f"--provider {_TOLD.get()}")]
    told = os.environ.get(VARIABLE, "").strip().lower()
    if told:
        return [_checked(told, f"{VARIABLE}={told}")]
    here = available()
    return [name for name, own in PROVIDERS.items() if own in here] or ["cpu"]


def available() -> frozenset[str]:
    """onnxruntime's names of what this computer's onnxruntime was built with."""
    import onnxruntime

    return frozenset(onnxruntime.get_available_providers())


def unavailable(name: str, where: str) -> UsageError:
    """The error that says what to do about a provider that is not here."""
    package = _PACKAGES.get(name, "")
    way = f"pip install {package} in the place of onnxruntime; or " if package else ""
    here = [one for one, own in PROVIDERS.items() if own in available()]
    return UsageError(f"{where}: onnxruntime cannot use it here", hint=f"{way}one of: {', '.join(here)}")


def _checked(name: str, where: str) -> str:
    if name not in PROVIDERS:
        like = nearest(name, list(PROVIDERS))
        hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(PROVIDERS)}"
        raise UsageError(f"{where}: no such provider", hint=hint)
    if PROVIDERS[name] not in available():
        raise unavailable(name, where)
    return name
