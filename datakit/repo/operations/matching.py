"""Which removed file is which added one: renames, known by content alone. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from datakit.model.item import concept_of, split_path, stem_of


def match_renames(removed: Mapping[str, bytes], added: Mapping[str, bytes]) -> dict[str, str]:
    """Removed path → added path with the same content (path → blob id on both sides), each used once.

    Where several have one content, the same stem decides, then the same folder; what is still ambiguous then is not
    matched.
    """
    sources, goals = _by_content(removed), _by_content(added)
    found: dict[str, str] = {}
    for blob, paths in sources.items():
        found.update(_pairs(paths, goals.get(blob, set())))
    return found


def _by_content(paths: Mapping[str, bytes]) -> dict[bytes, set[str]]:
    found: dict[bytes, set[str]] = defaultdict(set)
    for path, blob in paths.items():
        found[blob].add(path)
    return found


def _pairs(sources: set[str], goals: set[str]) -> Iterator[tuple[str, str]]:
    """Pairs that one trait singles out on both sides, until no trait does any more."""
    sources, goals = set(sources), set(goals)
    progress = True
    while progress and sources and goals:
        progress = False
        for trait in (_stem, _folder, _nothing):
            for source, goal in _single(sources, goals, trait):
                sources.remove(source)
                goals.remove(goal)
                progress = True
                yield source, goal


def _single(sources: Iterable[str], goals: Iterable[str], trait: Callable[[str], str]) -> list[tuple[str, str]]:
    left, right = _by_trait(sources, trait), _by_trait(goals, trait)
    return [(paths[0], right[name][0]) for name, paths in left.items() if len(paths) == 1 == len(right.get(name, ()))]


def _by_trait(paths: Iterable[str], trait: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        found[trait(path)].append(path)
    return found


def _stem(path: str) -> str:
    return stem_of(split_path(path)[0])


def _folder(path: str) -> str:
    return concept_of(path)


def _nothing(path: str) -> str:
    del path
    return ""
