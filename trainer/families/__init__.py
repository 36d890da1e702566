"""Kinds of base model; one module each, with a `FAMILY`."""
