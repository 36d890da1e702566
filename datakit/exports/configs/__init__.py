"""Starter configs that are too long to stand beside their format."""
