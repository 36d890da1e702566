"""dsk taggers: the taggers that there are, what each wants, and their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from datakit.errors import DskError
from datakit.taggers.fetching import fetch
from datakit.taggers.finding import Found, find_named, find_tagger, how_to_get
from datakit.taggers.spec import Spec
from datakit.taggers.specfiles import built_in_specs, load_spec, own_spec_path, own_specs, spec_text

BUILT_IN = "built in"
Progress = Callable[[str, int, int], None]


class ListedTagger(msgspec.Struct, frozen=True, kw_only=True):
    """One tagger."""

    name: str
    place: str
    """Path of the dataset's own spec, or BUILT_IN."""
    is_here: bool = False
    summary: str = ""
    repository: str = ""
    licence: str = ""
    num_tags: int = 0
    size_bytes: int = 0
    """On the disk where it is here, else as its spec says; 0 where nobody knows."""
    thresholds: dict[str, float] = {}
    rating: str = "none"
    problem: str = ""
    """What is wrong with its spec."""


class ShownTagger(msgspec.Struct, frozen=True, kw_only=True):
    """A tagger as its spec is written, and where its files are."""

    name: str
    place: str
    text: str
    """'' for one that has no file of its own."""
    spec: Spec
    model: str = ""
    """Path of the ONNX file; '' when it is not here."""
    labels: str = ""
    digest: str = ""
    how_to_get: str = ""
    """Commands, where it is not here."""


class FetchedTagger(msgspec.Struct, frozen=True, kw_only=True):
    """What `dsk taggers fetch` brought."""

    name: str
    model: str
    labels: str
    num_bytes: int
    was_here: bool


def list_taggers(root: Path) -> list[ListedTagger]:
    """Every tagger by name; a dataset's own spec stands for the built-in one of its name."""
    return [_listed(name, root) for name in sorted({*built_in_specs(), *own_specs(root)})]


def show_tagger(root: Path, name: str) -> ShownTagger:
    """A tagger by name or path.

    Raises:
        ConfigError: nobody knows it, or its spec is wrong.
    """
    found = find_tagger(name, root=root)
    has_file = found.name in built_in_specs() or found.name in own_specs(root)
    return ShownTagger(
        name=found.name,
        place=_place(found.name, root) if has_file else name,
        text=spec_text(found.name, root) if has_file else "",
        spec=found.spec,
        model=str(found.model or ""),
        labels=str(found.labels or ""),
        digest=found.digest,
        how_to_get="" if found.is_here else how_to_get(found),
    )


def fetch_tagger(root: Path, name: str, *, progress: Progress | None = None) -> FetchedTagger:
    """Download a tagger's files, unless they are here.

    Raises:
        ConfigError: nobody knows it.
        StateError: the hub cannot be reached.
    """
    before = find_tagger(name, root=root)
    found = before if before.is_here else fetch(before, progress=progress)
    return FetchedTagger(
        name=found.name,
        model=str(found.model or ""),
        labels=str(found.labels or ""),
        num_bytes=_size(found),
        was_here=before.is_here,
    )


def missing_size(root: Path, name: str) -> int | None:
    """Bytes that `fetch_tagger` would download; 0 where nobody knows how many, None where nothing is missing."""
    found = find_tagger(name, root=root)
    return None if found.is_here else found.spec.files.size_bytes


def _listed(name: str, root: Path) -> ListedTagger:
    place = _place(name, root)
    try:
        spec = load_spec(name, root)
        found = find_named(name, spec, hashed=False)
    except DskError as error:
        return ListedTagger(name=name, place=place, problem=error.message)
    facts: dict[str, Any] = {"summary": spec.summary, "repository": spec.repository, "licence": spec.licence}
    return ListedTagger(
        name=name,
        place=place,
        is_here=found.is_here,
        num_tags=spec.num_tags,
        size_bytes=_size(found) if found.is_here else spec.files.size_bytes,
        thresholds=spec.thresholds,
        rating=spec.rating,
        **facts,
    )


def _place(name: str, root: Path) -> str:
    return own_spec_path(name) if name in own_specs(root) else BUILT_IN


def _size(found: Found) -> int:
    return sum(path.stat().st_size for path in (found.model, found.labels, *found.more) if path is not None)
