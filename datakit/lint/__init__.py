"""Lint: rules over images and captions, pure; the caller reads files and applies fixes."""
