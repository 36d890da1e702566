"""Vocabularies made of files that are written down in a test."""

from __future__ import annotations

from datakit.tags.vocabulary.compiling import Source, compile_vocabulary
from datakit.tags.vocabulary.known import Role, Vocabulary

OWN: dict[str, Role] = {
    "vocab/tags.csv": "tags",
    "vocab/aliases.csv": "aliases",
    "vocab/implications.csv": "implications",
    "vocab/blacklist.txt": "blacklist",
}
POINTED_AT: dict[str, Role] = {"tags": "tags", "aliases": "aliases", "implications": "implications"}


def source(path: str, content: str | bytes) -> Source:
    """One file; of those that are pointed at the first word of the name says the role: `tags 2.csv`."""
    data = content if isinstance(content, bytes) else content.encode()
    role = OWN.get(path) or POINTED_AT[path.split(" ")[0].removesuffix(".csv")]
    return Source(role=role, path=path, is_own=path in OWN, data=data)


def vocabulary(**files: str | bytes) -> Vocabulary:
    """`own_tags` is `vocab/tags.csv`, `tags` a list that dsk.toml points at."""
    paths = {f"own_{path.partition('/')[2].partition('.')[0]}": path for path in OWN}
    return compile_vocabulary([source(paths.get(name, f"{name}.csv"), text) for name, text in files.items()])
