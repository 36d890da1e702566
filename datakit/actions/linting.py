"""dsk lint: the rules over every stage, with image facts computed on all cores and remembered by content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from datakit.actions.project import Counted, Project
from datakit.errors import InputError, UsageError
from datakit.images.decode import read_bounded
from datakit.images.measure import ImageFacts, probe
from datakit.lint.engine import RULES, Report, run
from datakit.lint.fixes import Plan, plan_fixes
from datakit.lint.model import ALL_STAGES, Change, Collection, Delete, Rename, Write
from datakit.model.item import LOCK_NAME, is_image, split_path
from datakit.model.order import WIP
from datakit.model.progress import Progress, silent
from datakit.registry import nearest
from datakit.repo.dataset import Dataset
from datakit.repo.operations.transaction import Transaction, transaction
from datakit.repo.worktree.scan import Scan, scan
from datakit.store.lfs import parse_pointer
from datakit.store.parallel import spread

_FACTS_VERSION: Final = 1
"""Raised when `probe` would say something else of the same bytes."""


class Linted(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what was fixed."""

    report: Report
    plan: Plan | None = None
    commit: str = ""


def lint(project: Project, stages: Sequence[str] = (), *, progress: Progress = silent) -> Linted:
    """Run every rule; nothing is changed.

    Raises:
        InputError: a file that changed cannot be read.
    """
    return Linted(report=run(RULES.all(), _collections(project, stages, progress)))


def lint_and_fix(
    project: Project, stages: Sequence[str] = (), *, unsafe: bool = False, progress: Progress = silent
) -> Linted:
    """Run every rule, apply what can be fixed as one operation, and report what is left."""
    dataset = project.dataset
    with transaction(dataset, "lint", {"fix": True}) as txn:
        collections = _collections(project, stages, progress)
        plan = plan_fixes(run(RULES.all(), collections), collections, unsafe=unsafe)
        for change in plan.changes:
            _apply(txn, change)
        commit = txn.commit(f"lint: {_words(plan.changes)}") if plan.changes else None
    after = run(RULES.all(), _collections(project, stages, progress))
    return Linted(report=after, plan=plan, commit=commit or "")


def _apply(txn: Transaction, change: Change) -> None:
    if isinstance(change, Rename):
        entry = txn.dataset.entry(change.old)
        if entry is None:
            raise InputError(f"{change.old}: gone meanwhile", hint="run dsk lint again")
        txn.put_blob(change.new, entry.oid)
        txn.put_blob(change.old, None)
    elif isinstance(change, Write):
        txn.put(change.path, change.data)
    else:
        txn.put_blob(change.path, None)


def _words(changes: Iterable[Change]) -> str:
    verbs = {Rename: "renamed", Write: "rewritten", Delete: "removed"}
    counts = Counter(verbs[type(change)] for change in changes)
    return ", ".join(f"{Counted(number, 'file')} {verb}" for verb, number in sorted(counts.items()))


def _collections(project: Project, stages: Sequence[str], progress: Progress) -> list[Collection]:
    dataset = project.dataset
    known = [stage for stage in ALL_STAGES if stage]
    for stage in stages:
        if stage not in known:
            like = nearest(stage, known)
            hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(known)}"
            raise UsageError(f"no stage '{stage}' to lint", hint=hint)
    wanted = [stage for stage in known if not stages or stage in stages]
    found = scan(dataset)
    paths = {stage: tuple(sorted(_inside(found, stage))) for stage in wanted}
    facts = _all_facts(dataset, found, [f"{stage}/{path}" for stage in wanted for path in paths[stage]], progress)
    return [
        Collection(
            stage=stage,
            paths=paths[stage],
            read=_reader(dataset, stage),
            facts=lambda path, stage=stage: facts[f"{stage}/{path}"],  # type: ignore[misc]
            **_sight(project, stage),
        )
        for stage in wanted
    ]


def _sight(project: Project, stage: str) -> dict[str, Any]:
    """What taggers saw, as a collection takes it; nothing where no tagger is in use or its files are not here."""
    if stage != WIP or not project.settings("captioned").taggers:
        return {}
    from datakit.actions.leaks import remembered_scores  # numpy, labels of thousands of tags

    found = remembered_scores(project, stage)
    if found is None:
        return {}
    return {"scores": lambda path: found.scores.get(split_path(path)[0]), "relations": found.relations}


def _inside(found: Scan, stage: str) -> Iterable[str]:
    prefix = f"{stage}/"
    inside = (path.removeprefix(prefix) for path in found.blobs if path.startswith(prefix))
    return (path for path in inside if path != LOCK_NAME)


def _reader(dataset: Dataset, stage: str) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        try:
            return (dataset.root / stage / path).read_bytes()
        except OSError as error:
            raise InputError(f"{stage}/{path}: {error.strerror}") from error

    return read


def _all_facts(dataset: Dataset, found: Scan, paths: Iterable[str], progress: Progress) -> dict[str, ImageFacts]:
    """Facts of every image; equal content is looked at once, ever."""
    names = {path: f"facts:{_FACTS_VERSION}:{found.blobs[path].hex()}" for path in paths if is_image(path)}
    remembered = dataset.memo.get(set(names.values()))
    known = {name: msgspec.msgpack.decode(value, type=ImageFacts) for name, value in remembered.items()}
    missing = {name: path for path, name in names.items() if name not in known}

    def look(row: tuple[str, str]) -> tuple[str, ImageFacts | None]:
        try:
            data = read_bounded(dataset.root / row[1])
        except OSError:
            return row[0], None
        return row[0], None if data and parse_pointer(data) else probe(data)

    fresh: dict[str, ImageFacts] = {}
    for number, (name, facts) in enumerate(spread(look, list(missing.items())), 1):
        known[name] = facts or ImageFacts(unreadable="its content is not here, or may not be read")
        if facts is not None:
            fresh[name] = facts
        progress("lint", number, len(missing))
    dataset.memo.put((name, msgspec.msgpack.encode(facts)) for name, facts in fresh.items())
    return {path: known[name] for path, name in names.items()}
