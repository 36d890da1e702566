"""From the files of a vocabulary to the vocabulary: which one wins, chains followed, circles refused.

Of two files that tell about one tag the dataset's own wins, then the one that is named first. A canonical name is no
alias, whatever a file says, unless the dataset's own `aliases.csv` says so.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from datakit.errors import ConfigError
from datakit.model.record import CATEGORIES
from datakit.tags.vocabulary.kinds import NO_TAG, category_reader, in_words
from datakit.tags.vocabulary.known import Compiled, Role, SourceNote, Vocabulary, shelve
from datakit.tags.vocabulary.lists import Fault, Pair, Row, canonical_name, read_blacklist, read_pairs, read_tag_rows
from datakit.tags.vocabulary.relations import alias_circles, implication_circle, resolve_aliases, show_circle

_MEANING: Final = "1"
"""Changes when the same files come to mean something else."""
_MOST_PROBLEMS: Final = 20
_OWN_ALIASES, _OWN_TAGS, _ALIASES, _TAGS = range(4)
"""Ranks of what says that one tag is an alias of another; lower ones win."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a vocabulary, as it was read."""

    role: Role
    path: str
    """As it is shown."""
    is_own: bool
    """Whether it is one of the dataset's own, in which every mistake is an error."""
    data: bytes


class _Alias(NamedTuple):
    tag: str
    rank: int
    place: str


class _Place(NamedTuple):
    is_pointed_at: bool
    text: str


class _Names(NamedTuple):
    """What the lists of tags say, while they are put together."""

    tags: dict[str, tuple[int, int]]
    """Name → place of its category in CATEGORIES, and its posts."""
    spelled: list[tuple[int, str, list[tuple[str, str]]]]
    """Rank, path, and the pairs of alias and name of each list, most used names first."""


def digest_of(sources: Sequence[Source]) -> str:
    """16 hex digits of what the files say, wherever they lie; '' for no files."""
    if not sources:
        return ""
    parts = [_MEANING, *(f"{one.role} {one.is_own} {hashlib.sha256(one.data).hexdigest()}" for one in sources)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def compile_vocabulary(sources: Sequence[Source]) -> Vocabulary:
    """The vocabulary that files make; of those of one role, the ones that win first.

    Raises:
        ConfigError: a file that cannot be read, a mistake in one of the dataset's own, aliases or implications in a
            circle; names the file and the line.
    """
    return _Compiler(sources).compile()


class _Compiler:
    """One run over some files."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._notes: dict[int, SourceNote] = {}
        self._problems: list[str] = []

    def compile(self) -> Vocabulary:
        """Read all and join it."""
        names = self._names()
        own, aliases = self._aliases(names)
        ends = resolve_aliases({alias: found.tag for alias, found in aliases.items()})
        _rename(names.tags, {alias: ends[alias] for alias in own})
        ends = {alias: tag for alias, tag in ends.items() if alias != tag}
        ordered = sorted(names.tags.items(), key=lambda row: -row[1][1])
        implications = self._implications(ends)
        blacklist = self._blacklist(names.tags, ends)
        compiled = Compiled(
            digest=digest_of(self._sources),
            names="\n".join(name for name, _ in ordered),
            categories=bytes(category for _, (category, _) in ordered),
            counts=tuple(count for _, (_, count) in ordered),
            aliases=ends,
            implications=implications,
            blacklist=blacklist,
            sources=tuple(self._notes[at] for at in range(len(self._sources))),
            problems=self._told(),
            shelves=shelve([name for name, _ in ordered]),
        )
        return Vocabulary(compiled)

    def _told(self) -> tuple[str, ...]:
        left = len(self._problems) - _MOST_PROBLEMS
        return (*self._problems[:_MOST_PROBLEMS], *([f"and {left:,} more"] if left > 0 else []))

    def _of(self, role: Role) -> Iterable[tuple[int, Source]]:
        found = [(at, source) for at, source in enumerate(self._sources) if source.role == role]
        return sorted(found, key=lambda row: not row[1].is_own)

    def _note(self, at: int, rows: int, faults: Sequence[Fault] = (), *, overruled: int = 0) -> None:
        """Take down what became of a file.

        Raises:
            ConfigError: a mistake in one of the dataset's own files, or a file of nothing else.
        """
        source = self._sources[at]
        told = [f"{source.path}: line {fault.line}: {fault.what}" for fault in faults]
        if told and (source.is_own or not rows):
            more = f" (and {len(told) - 1:,} more lines)" if len(told) > 1 else ""
            raise ConfigError(told[0] + more, hint=f"correct the line, or take it out: it is a file of {source.role}")
        self._problems += told
        self._notes[at] = SourceNote(
            path=source.path, role=source.role, num_rows=rows, num_left_out=len(told), num_overruled=overruled
        )

    def _names(self) -> _Names:
        names = _Names({}, [])
        for at, source in self._of("tags"):
            table = read_tag_rows(source.data, path=source.path)
            read = in_words(table.rows)
            category_of = category_reader({row.kind for row in read}, is_merged=not table.has_ids)
            categories = {row.kind: category_of(row.kind) for row in read}
            faults = [Fault(row.line, _unknown(row.kind)) for row in read if categories[row.kind] is None]
            rows = [row for row in read if categories[row.kind] not in (None, NO_TAG)]
            before = len(names.tags)
            for row in rows:
                category = categories[row.kind] or ""
                names.tags.setdefault(row.name, (CATEGORIES.index(category), row.posts))
            known = len(names.tags) - before
            names.spelled.append((_OWN_TAGS if source.is_own else _TAGS, source.path, _spelled(rows)))
            self._note(at, len(rows), sorted([*table.faults, *faults]), overruled=len(rows) - known)
        return names

    def _aliases(self, names: _Names) -> tuple[set[str], dict[str, _Alias]]:
        """The aliases that the dataset's own file has, and all of them, without circles."""
        found: dict[str, _Alias] = {}
        layers: list[tuple[int, str, list[tuple[str, str]]]] = [*names.spelled]
        for at, source in self._of("aliases"):
            pairs, faults = read_pairs(source.data, path=source.path)
            against = _contradictions(pairs)
            self._note(at, len(pairs) - len(against), sorted([*faults, *against]))
            rank = _OWN_ALIASES if source.is_own else _ALIASES
            layers.append((rank, source.path, [(pair.left, pair.right) for pair in pairs]))
        for rank, path, rows in sorted(layers, key=lambda layer: layer[0]):
            for alias, tag in rows:
                if alias != tag and (rank == _OWN_ALIASES or alias not in names.tags):
                    found.setdefault(alias, _Alias(tag, rank, path))
        own = {alias for alias, one in found.items() if one.rank == _OWN_ALIASES}
        _open_circles(found)
        return own, found

    def _implications(self, ends: dict[str, str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, dict[str, _Place]] = defaultdict(dict)
        for at, source in self._of("implications"):
            pairs, faults = read_pairs(source.data, path=source.path)
            faults += [Fault(pair.line, f"{pair.left} implies itself") for pair in pairs if pair.left == pair.right]
            self._note(at, len(pairs), sorted(faults))
            for pair in pairs:
                left, right = ends.get(pair.left, pair.left), ends.get(pair.right, pair.right)
                if left != right:
                    found[left].setdefault(right, _Place(not source.is_own, f"{source.path}: line {pair.line}"))
        _refuse_circle(found)
        return {left: tuple(rights) for left, rights in found.items()}

    def _blacklist(self, names: dict[str, tuple[int, int]], ends: dict[str, str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for at, source in self._of("blacklist"):
            lines = read_blacklist(source.data, path=source.path)
            lines = [tags for tags in lines if not tags[0].startswith("#") or tags[0] in names or tags[0] in ends]
            self._note(at, sum(map(len, lines)))
            for tag in (tag for tags in lines for tag in tags):
                found |= {tag: None, ends.get(tag, tag): None}
        return tuple(found)


def _unknown(kind: str) -> str:
    return f"the type {kind[:40]!r} is none that is known"


def _spelled(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Aliases with their names, those of the most used name first: it has what two names claim."""
    ordered = sorted((row for row in rows if row.aliases), key=lambda row: -row.posts)
    pairs = ((canonical_name(piece.strip()), row.name) for row in ordered for piece in row.aliases.split(","))
    return [pair for pair in pairs if pair[0]]


def _contradictions(pairs: Sequence[Pair]) -> list[Fault]:
    first: dict[str, Pair] = {}
    found = []
    for pair in pairs:
        before = first.setdefault(pair.left, pair)
        if before.right != pair.right:
            found.append(Fault(pair.line, f"{pair.left} is an alias of {before.right} already, in line {before.line}"))
    return found


def _open_circles(aliases: dict[str, _Alias]) -> None:
    """Take the weakest aliases out of each circle, so that `a,b` of the dataset's own beats `b,a` of a list.

    Raises:
        ConfigError: all of a circle come from one kind of file.
    """
    for circle in list(alias_circles({alias: found.tag for alias, found in aliases.items()})):
        ranks = {aliases[alias].rank for alias in circle}
        if len(ranks) == 1:
            places = sorted({aliases[alias].place for alias in circle})
            raise ConfigError(f"{places[0]}: aliases in a circle: {show_circle(circle)}", hint="take one of them out")
        for alias in circle:
            if aliases[alias].rank == max(ranks):
                del aliases[alias]


def _refuse_circle(implications: dict[str, dict[str, _Place]]) -> None:
    """Refuse implications that lead back to where they began; told is one of the dataset's own, where there is one.

    Raises:
        ConfigError: names the circle, and the lines.
    """
    circle = implication_circle(implications)
    if not circle:
        return
    steps = list(zip(circle, (*circle[1:], circle[0]), strict=True))
    worst = min(range(len(steps)), key=lambda at: (implications[steps[at][0]][steps[at][1]].is_pointed_at, -at))
    steps = steps[worst + 1 :] + steps[: worst + 1]
    places = [implications[left][right].text for left, right in reversed(steps)]
    raise ConfigError(
        f"{places[0]}: implications in a circle: {show_circle(tuple(left for left, _ in steps))}",
        hint=f"take one of them out: {'; '.join(places[:3])}{'; …' if len(places) > 3 else ''}",
    )


def _rename(tags: dict[str, tuple[int, int]], renamed: dict[str, str]) -> None:
    """Names that became aliases go; a new name that nothing is known of has what was known of the old one."""
    gone = {alias: tags.pop(alias) for alias in renamed if alias in tags}
    for alias, known in sorted(gone.items(), key=lambda row: -row[1][1]):
        tags.setdefault(renamed[alias], known)
