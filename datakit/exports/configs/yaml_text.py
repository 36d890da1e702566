"""YAML for people: comments first, keys in the order that they are given in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

_NEVER_WRAPPED: Final = 1_000_000


def yaml_text(notes: Iterable[str], tree: Mapping[str, Any]) -> bytes:
    """A YAML file; each note is a comment above its keys."""
    import yaml

    head = "".join(f"# {' '.join(note.split())}\n" for note in notes)
    body: str = yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True, width=_NEVER_WRAPPED)
    return (head + body).encode("utf-8", "backslashreplace")
