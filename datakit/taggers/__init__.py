"""Taggers: models that see tags in images, each declared by a spec."""
