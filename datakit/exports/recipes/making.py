"""Which recipe is meant, with what `[bake]` says laid over it."""

from __future__ import annotations

from datakit.errors import UsageError
from datakit.exports.recipes.model import Recipe
from datakit.exports.settings import Asked


def recipe_for(name: str, asked: Asked) -> Recipe:
    """The recipe of that name.

    Raises:
        UsageError: there is none.
    """
    raise UsageError(f"no recipe '{name}'", hint="")
