"""Finds the families, adapters, objectives and weightings: a module in the folder is the registration.

A folder is listed without importing anything from it; a module is imported when it is asked for, and must
then hold a constant of the right name and type. Modules whose name starts with `_` are its own matter.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from trainer.contracts.adapter import Adapter
from trainer.contracts.model import Family
from trainer.contracts.objective import Objective, Weighting
from trainer.errors import ConfigError, nearest

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """The modules of one package that each hold one `constant` of type `kind`."""

    package: str
    kind: type[T]
    constant: str

    def names(self) -> tuple[str, ...]:
        """Every name in the package's folder, sorted; imports nothing of it."""
        folder = Path(__file__).parent / self.package.rpartition(".")[2]
        found = (module.name for module in pkgutil.iter_modules([str(folder)]))
        return tuple(sorted(name for name in found if not name.startswith("_")))

    def check(self, name: str, *, field: str) -> None:
        """Raises ConfigError, naming `field` of the config, where no module is called `name`."""
        if name not in self.names():
            raise ConfigError(f"{field}: there is no {name!r}", hint=nearest(name, self.names()))

    def load(self, name: str, *, field: str) -> T:
        """The constant of the module `name`. Raises ConfigError where there is none of that name."""
        self.check(name, field=field)
        module = importlib.import_module(f"{self.package}.{name}")
        value = getattr(module, self.constant, None)
        if not isinstance(value, self.kind):
            raise TypeError(f"{module.__name__}.{self.constant} must be a {self.kind.__name__}")
        return value


FAMILIES = Registry("trainer.families", Family, "FAMILY")
ADAPTERS = Registry("trainer.adapters", Adapter, "ADAPTER")
OBJECTIVES = Registry("trainer.objectives", Objective, "OBJECTIVE")
WEIGHTINGS = Registry("trainer.weightings", Weighting, "WEIGHTING")
