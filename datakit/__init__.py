"""Curation of diffusion datasets on an ordinary git repository."""

__version__ = "0.1.0"
