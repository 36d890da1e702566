"""Fixing in rounds: what one rule has written, the next one reads; all of it comes to one change of the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from datakit.lint.collection import Collection
from datakit.lint.engine import run
from datakit.lint.fixes import Refusal, plan_fixes
from datakit.lint.model import Change, Delete, Finding, Rename, Rule, Write, rooted
from datakit.lint.overlay import overlaid
from datakit.lint.severities import Level

MOST_ROUNDS: Final = 12
"""A file that many rules mend takes a round for each."""


class Mended(msgspec.Struct, frozen=True, kw_only=True):
    """What all rounds of fixing come to, as one change of the tree."""

    before: dict[str, str]
    """Path, from the dataset's root, of each file that is there afterwards and was changed → the path that its content
    had before, or '' for a new file."""
    contents: dict[str, bytes]
    """Path → what the file holds afterwards, of those whose content changed."""
    removed: tuple[str, ...]
    """Paths that are gone, those of renamed files included."""
    fixed: tuple[Finding, ...]
    refused: tuple[Refusal, ...]


def mend(
    rules: Sequence[Rule],
    collections: Sequence[Collection],
    *,
    unsafe: bool = False,
    wanted: Callable[[Finding], bool] = lambda finding: True,
    severities: Mapping[str, Level] = {},
) -> Mended:
    """Fix in rounds until nothing is left to fix: what one rule has written, the next one reads.

    Args:
        unsafe: also take the fixes that may lose something or guess.
        wanted: which findings may be fixed.
        severities: rule's name → its severity everywhere; of one that is `off` nothing is fixed.
    """
    able = [rule for rule in rules if rule.fix is not None]
    now = list(collections)
    fixed: list[Finding] = []
    refused: tuple[Refusal, ...] = ()
    traces = {collection.stage: _Trace() for collection in collections}
    for _ in range(MOST_ROUNDS):
        report = run(able, now, severities=severities)
        report = msgspec.structs.replace(report, findings=tuple(filter(wanted, report.findings)))
        plan = plan_fixes(report, now, unsafe=unsafe)
        refused = plan.refused
        if not plan.changes:
            break
        fixed += plan.fixed
        for number, collection in enumerate(now):
            own = [found for change in plan.changes if (found := _inside(change, collection.stage, now)) is not None]
            traces[collection.stage].follow(own)
            now[number] = overlaid(collection, own)
    return _mended(traces, (collections, now), fixed, refused)


class _Trace:
    """Where the content of each file came from, over several rounds."""

    def __init__(self) -> None:
        self.origins: dict[str, str] = {}
        """Path now → path at first, of files that are elsewhere."""
        self.written: set[str] = set()
        self.gone: set[str] = set()

    def follow(self, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case Rename(old, new):
                    self._move(old, new)
                case Write(path, _):
                    self.written.add(path)
                case Delete(path):
                    self.written.discard(path)
                    self.gone.add(self.origins.pop(path, path))

    def _move(self, old: str, new: str) -> None:
        first = self.origins.pop(old, old)
        self.origins[new] = first
        self.gone.add(first)
        if old in self.written:
            self.written.remove(old)
            self.written.add(new)


def _mended(
    traces: Mapping[str, _Trace],
    both: tuple[Sequence[Collection], Sequence[Collection]],
    fixed: Sequence[Finding],
    refused: Sequence[Refusal],
) -> Mended:
    """`both` are the collections at first and now."""
    before: dict[str, str] = {}
    contents: dict[str, bytes] = {}
    removed: set[str] = set()
    for old, collection in zip(*both, strict=True):
        stage, trace = collection.stage, traces[collection.stage]
        here = collection.held
        for path in sorted(trace.written | {*trace.origins}):
            if path in here:
                first = trace.origins.get(path, path)
                before[rooted(stage, path)] = rooted(stage, first) if first in old.held else ""
                if path in trace.written:
                    contents[rooted(stage, path)] = collection.read(path)
        removed |= {rooted(stage, path) for path in trace.gone if path in old.held and path not in here}
    return Mended(
        before=before,
        contents=contents,
        removed=tuple(sorted(removed)),
        fixed=tuple(fixed),
        refused=tuple(refused),
    )


def _inside(change: Change, stage: str, collections: Sequence[Collection]) -> Change | None:
    """A change from the dataset's root as one of a stage's own folder; None when it is another stage's."""
    prefix = f"{stage}/" if stage else ""
    if not (change.old if isinstance(change, Rename) else change.path).startswith(prefix) or (
        not stage and len(collections) > 1
    ):
        return None
    match change:
        case Rename(old, new):
            return Rename(old.removeprefix(prefix), new.removeprefix(prefix))
        case Write(path, data):
            return Write(path.removeprefix(prefix), data)
        case Delete(path):
            return Delete(path.removeprefix(prefix))
