"""dsk lint: rules over a dataset's stages, or over any folder; fixes as one operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from datakit.actions.linting.folders import FolderFiles, unread_findings
from datakit.actions.linting.jobs import (
    EVERYTHING,
    Asked,
    Request,
    asked_of_folder,
    asked_of_stages,
    may_be_fixed,
    report_of,
)
from datakit.actions.project import Counted, Project
from datakit.lint.engine import Report
from datakit.lint.mending import Mended, mend
from datakit.lint.selection import levels_of
from datakit.model.progress import Progress, silent
from datakit.repo.operations.transaction import Transaction, transaction

__all__ = [
    "EVERYTHING",
    "Fixes",
    "Linted",
    "Request",
    "fixes_of_folder",
    "fixes_of_stages",
    "lint",
    "lint_and_fix",
    "lint_folder",
]

FIX_OPERATION: Final = "lint"


class Linted(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what was fixed."""

    report: Report
    mended: Mended | None = None
    commit: str = ""


class Fixes(NamedTuple):
    """What fixing would come to."""

    mended: Mended
    read: Callable[[str], bytes]
    """Path, from the dataset's root or in the folder → what stands there now."""


def lint(project: Project, request: Request = EVERYTHING, *, progress: Progress = silent) -> Linted:
    """Run rules over a dataset's stages; nothing is changed.

    Raises:
        UsageError: no such stage, rule or trainer.
        ConfigError: a mistake in `[lint]`, or no query.
        InputError: a file that changed cannot be read.
    """
    return Linted(report=report_of(asked_of_stages(project, request, progress)))


def lint_folder(folder: Path, request: Request = EVERYTHING, *, progress: Progress = silent) -> Linted:
    """Run rules over any folder, which is only read.

    Raises:
        UsageError: no such rule or trainer.
        ConfigError: a mistake in its dsk-lint.toml, or no query.
        InputError: the folder cannot be read.
    """
    asked = asked_of_folder(folder, request, progress)
    report = report_of(asked)
    unread = unread_findings(asked.files) if isinstance(asked.files, FolderFiles) else ()
    return Linted(report=msgspec.structs.replace(report, findings=(*unread, *report.findings)))


def fixes_of_stages(
    project: Project, request: Request = EVERYTHING, *, unsafe: bool = False, progress: Progress = silent
) -> Fixes:
    """What fixing a dataset would come to; nothing is written."""
    return _fixes(asked_of_stages(project, request, progress), unsafe=unsafe)


def fixes_of_folder(
    folder: Path, request: Request = EVERYTHING, *, unsafe: bool = False, progress: Progress = silent
) -> Fixes:
    """What fixing a folder would come to; nothing is written."""
    return _fixes(asked_of_folder(folder, request, progress), unsafe=unsafe)


def _fixes(asked: Asked, *, unsafe: bool) -> Fixes:
    rules, chosen = asked.job.rules, asked.job.settings.severity
    levels = levels_of(rules, chosen)
    mended = mend(rules, asked.collections, unsafe=unsafe, wanted=may_be_fixed(asked), severities=levels)
    readers = {collection.stage: collection.read for collection in asked.collections}

    def read(path: str) -> bytes:
        stage, _, rest = path.partition("/")
        return readers[""](path) if "" in readers else readers[stage](rest)

    return Fixes(mended, read)


def lint_and_fix(
    project: Project, request: Request = EVERYTHING, *, unsafe: bool = False, progress: Progress = silent
) -> Linted:
    """Run rules, apply what can be fixed as one operation, and report what is left."""
    commit = None
    with transaction(project.dataset, FIX_OPERATION, {"fix": True}) as txn:
        mended = fixes_of_stages(project, request, unsafe=unsafe, progress=progress).mended
        strays = _put(txn, mended)
        if mended.before or mended.removed:
            commit = txn.commit(f"lint: {_words(mended)}")
    for path in strays:  # their content is in git under its new name
        (project.dataset.root / path).unlink(missing_ok=True)
    after = lint(project, request, progress=progress)
    return Linted(report=after.report, mended=mended, commit=commit or "")


def _put(txn: Transaction, mended: Mended) -> list[str]:
    """Write what was mended; the files that dsk does not manage and that go by another name now."""
    strays = []
    for path in mended.removed:
        if txn.dataset.entry(path) is None:
            strays.append(path)
        elif path not in mended.before:
            txn.put_blob(path, None)
    for path, old in mended.before.items():
        entry = txn.dataset.entry(old) if old else None
        if path in mended.contents:
            txn.put(path, mended.contents[path])
        elif entry is not None:
            txn.put_blob(path, entry.oid)
        else:
            txn.put(path, (txn.dataset.root / old).read_bytes())
    return strays


def _words(mended: Mended) -> str:
    counts = Counter(
        "rewritten" if path in mended.contents and old == path else "renamed" for path, old in mended.before.items()
    )
    gone = len(set(mended.removed) - {*mended.before.values()})
    rows: Iterable[tuple[str, int]] = (*sorted(counts.items()), *([("removed", gone)] if gone else []))
    return ", ".join(f"{Counted(number, 'file')} {verb}" for verb, number in rows)
