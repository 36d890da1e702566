"""dsk vocab: what the dataset knows of tags, and where it knows it from."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datakit.actions.project import Project
from datakit.repo.vocabularies import stray_files
from datakit.tags.names import to_canonical
from datakit.tags.vocabulary.known import SourceNote, Vocabulary
from datakit.tags.vocabulary.nearnames import near_names


class VocabularyReport(msgspec.Struct, frozen=True, kw_only=True):
    """How much is known, and what was wrong with the files."""

    num_tags: int
    num_aliases: int
    num_implications: int
    num_blacklisted: int
    digest: str
    """'' where there is no vocabulary."""
    sources: tuple[SourceNote, ...]
    """Those that win first."""
    problems: tuple[str, ...]


class KnownTag(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one tag."""

    asked: str
    """As it was typed."""
    name: str
    """Canonical; what it stands for where it is an alias."""
    is_known: bool
    category: str = ""
    count: int = 0
    aliases: tuple[str, ...] = ()
    implies: tuple[str, ...] = ()
    is_blacklisted: bool = False
    near: tuple[str, ...] = ()
    """Of a tag that is not known, those that may have been meant."""


def report_vocabulary(project: Project) -> VocabularyReport:
    """What the vocabulary holds, and where it comes from."""
    known = project.vocabulary
    stray = (
        f"{path}: not read" + (f"; did you mean {like}?" if like else "")
        for path, like in stray_files(project.dataset.root)
    )
    return VocabularyReport(
        num_tags=len(known),
        num_aliases=known.num_aliases,
        num_implications=known.num_implications,
        num_blacklisted=len({known.canonical(tag) for tag in known.blacklist()}),
        digest=known.digest,
        sources=known.sources,
        problems=(*known.problems, *stray),
    )


def look_up(project: Project, words: Sequence[str]) -> list[KnownTag]:
    """What is known of tags, however they are spelled."""
    return [_known(project.vocabulary, word) for word in words]


def _known(vocabulary: Vocabulary, word: str) -> KnownTag:
    tag = to_canonical(word)
    name = vocabulary.canonical(tag)
    is_known = name in vocabulary
    return KnownTag(
        asked=word,
        name=name,
        is_known=is_known,
        category=vocabulary.category(name),
        count=vocabulary.count(name),
        aliases=vocabulary.aliases_of(name),
        implies=tuple(sorted(vocabulary.implied(name))),
        is_blacklisted=name in vocabulary.blacklist(),
        near=() if is_known else near_names(vocabulary, name),
    )
