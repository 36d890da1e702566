"""Plugins: the file is the registration.

A family is a package whose modules each hold one typed constant. Listing reads names and summaries without
importing anything, so that `--help` stays fast; a module is imported when it is asked for.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from datakit.errors import UsageError

T = TypeVar("T")


def nearest(name: str, known: list[str], *, cutoff: float = 0.5) -> str:
    """The known name most like `name`, or ''; `cutoff` is how like it must be, from 0 to 1."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return found[0] if found else ""


class Family(Generic[T]):
    """All modules of `package` that hold a constant `constant` of type `kind`.

    A member's name is its module's; with `hyphens`, as users type it: `kohya_gui.py` is `kohya-gui`.
    """

    def __init__(self, package: str, kind: type[T], constant: str, *, word: str, hyphens: bool = False) -> None:
        self.package = package
        self.kind = kind
        self.constant = constant
        self.word = word
        self.hyphens = hyphens

    @cached_property
    def files(self) -> dict[str, Path]:
        """Name → source file, sorted by name."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise UsageError(f"package {self.package} is not installed")
        found: dict[str, Path] = {}
        for folder in spec.submodule_search_locations:
            for path in sorted(Path(folder).glob("*.py")):
                if not path.stem.startswith("_") and self._declares(path):
                    found[path.stem.replace("_", "-") if self.hyphens else path.stem] = path
        return dict(sorted(found.items()))

    def _declares(self, path: Path) -> bool:
        return re.search(rf"^{self.constant}\b *[:=]", path.read_text("utf-8"), re.MULTILINE) is not None

    def names(self) -> list[str]:
        """Every name of the family, sorted."""
        return list(self.files)

    def summary(self, name: str) -> str:
        """First line of the module's docstring, read without importing it."""
        import ast

        doc = ast.get_docstring(ast.parse(self._file(name).read_text("utf-8"))) or ""
        return doc.partition("\n")[0].rstrip(".")

    def load(self, name: str) -> T:
        """Import one module and return its constant.

        Raises:
            UsageError: no such name (the nearest is named).
        """
        module = self._file(name).stem
        value = getattr(importlib.import_module(f"{self.package}.{module}"), self.constant)
        if not isinstance(value, self.kind):
            raise TypeError(f"{self.package}.{module}.{self.constant} is not a {self.kind.__name__}")
        return value

    def all(self) -> Iterator[T]:
        """Import and return every member, sorted by name."""
        return (self.load(name) for name in self.names())

    def _file(self, name: str) -> Path:
        if name not in self.files:
            like = nearest(name, self.names())
            hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(self.names())}"
            raise UsageError(f"unknown {self.word} '{name}'", hint=hint)
        return self.files[name]
