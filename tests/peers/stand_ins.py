"""Stands in for packages that a trainer imports beside its reading of datasets. Runs in the peer's own process.

What `stand_in` is told of is replaced; `stood_in` names what of it was imported. The steps of torchvision from a
picture to a tensor, which readers do call, are written out.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Collection, Sequence
from typing import Any

stood_in: set[str] = set()


class _Anyone(type):
    """A class of which every attribute is such a class again."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anyone(name, (Anything,), {})

    def __iter__(cls) -> Any:
        return iter(())


class Anything(metaclass=_Anyone):
    """Takes any arguments, and gives itself for all that is asked of it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()

    def __iter__(self) -> Any:
        return iter(())


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anyone(name, (Anything,), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names: Collection[str]) -> None:
        self.names = frozenset(names)

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        if not any(fullname == name or fullname.startswith(f"{name}.") for name in self.names):
            return None
        stood_in.add(fullname.partition(".")[0])
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: Any) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        if module.__name__ == "torchvision":
            # Else `from torchvision import transforms` would find an attribute, and import nothing.
            importlib.import_module("torchvision.transforms")
        if module.__name__ == "torchvision.transforms":
            module.__dict__.update(Compose=Compose, ToTensor=ToTensor, Normalize=Normalize)


class Compose:
    """One step after another."""

    def __init__(self, steps: Sequence[Any]) -> None:
        self.steps = steps

    def __call__(self, image: Any) -> Any:
        for step in self.steps:
            image = step(image)
        return image


class ToTensor:
    """A picture or an array of 8 bits as (channels, height, width) from 0 to 1."""

    def __call__(self, image: Any) -> Any:
        import numpy as np
        import torch

        array = np.asarray(image)
        array = array[:, :, None] if array.ndim == 2 else array
        return torch.from_numpy(array.transpose(2, 0, 1).copy()).float() / 255


class Normalize:
    """One mean and one deviation for all channels."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = mean[0], std[0]

    def __call__(self, image: Any) -> Any:
        return (image - self.mean) / self.std


def stand_in(checkout: str, *names: str) -> None:
    """Make a checkout importable, with these packages or modules replaced."""
    sys.path.insert(0, checkout)
    # The project's own environment lends torch, and comes after the peer's.
    sys.path.extend(os.environ.get("LENT_PACKAGES", "").split(os.pathsep))
    # Before the others stand in: libraries look for what is there when they are first imported.
    for name in ("torch", "transformers", "diffusers"):
        importlib.import_module(name)
    sys.meta_path.insert(0, _Finder(names))
    os.chdir(checkout)
