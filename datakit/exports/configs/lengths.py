"""How long a recipe trains, for trainers that count otherwise than it does."""

from __future__ import annotations

import math

from datakit.exports.recipes.model import Recipe


def updates_per_epoch(num_examples: int, recipe: Recipe) -> int:
    """Optimizer updates in which every example is seen once; at least 1."""
    return max(1, math.ceil(math.ceil(num_examples / recipe.batch_size) / recipe.gradient_accumulation))


def epochs_of(num_examples: int, recipe: Recipe) -> int:
    """Epochs altogether, the last one begun."""
    return math.ceil(recipe.steps / updates_per_epoch(num_examples, recipe)) if recipe.steps else recipe.epochs
