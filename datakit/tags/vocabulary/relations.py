"""How tags point at each other: chains of aliases followed, circles found, what a tag implies in the end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

_SHOWN_TAGS = 12


def alias_circles(aliases: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Every circle of aliases, each once, as its tags in order: ("a", "b") for a → b → a."""
    done: set[str] = set()
    for start in aliases:
        path: dict[str, int] = {}
        tag = start
        while tag in aliases and tag not in done and tag not in path:
            path[tag] = len(path)
            tag = aliases[tag]
        if tag in path:
            yield tuple(path)[path[tag] :]
        done.update(path)


def resolve_aliases(aliases: Mapping[str, str]) -> dict[str, str]:
    """Alias → the tag at the end of its chain. There must be no circle among them."""
    ends: dict[str, str] = {}
    for start in aliases:
        path = []
        tag = start
        while tag in aliases and tag not in ends:
            path.append(tag)
            tag = aliases[tag]
        end = ends.get(tag, tag)
        ends.update(dict.fromkeys(path, end))
    return ends


def implied_by(tag: str, implications: Mapping[str, Collection[str]]) -> frozenset[str]:
    """All that a tag implies, also by way of others; never the tag itself."""
    found: set[str] = set()
    ahead = list(implications.get(tag, ()))
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead.extend(implications.get(one, ()))
    return frozenset(found - {tag})


def implication_circle(implications: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """The tags of a circle in order, ("a", "b") for a → b → a; () when there is none."""
    done: set[str] = set()
    for start in implications:
        if start in done:
            continue
        path = {start: iter(implications[start])}
        while path:
            tag, ahead = next(reversed(path.items()))
            after = next(ahead, None)
            if after is None:
                done.add(tag)
                del path[tag]
            elif after in path:
                tags = tuple(path)
                return tags[tags.index(after) :]
            elif after not in done:
                path[after] = iter(implications.get(after, ()))
    return ()


def show_circle(circle: tuple[str, ...]) -> str:
    """`a → b → a`; a long one with its middle left out."""
    tags = [*circle, circle[0]]
    if len(tags) > _SHOWN_TAGS:
        tags = [*tags[: _SHOWN_TAGS - 2], f"… {len(tags) - _SHOWN_TAGS:,} more …", *tags[-2:]]
    return " → ".join(tags)
