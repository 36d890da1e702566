"""One run of lint: what was asked, the files that it concerns, the findings, and what people say of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from datakit import __version__
from datakit.actions.linting.context import options_of, targets_named, token_counter
from datakit.actions.linting.folders import FolderFiles, folder_collection, folder_settings
from datakit.actions.linting.query import Matcher
from datakit.actions.linting.stages import STAGES_OF_IMAGES, DatasetFiles, needed_looks, stage_collections
from datakit.actions.project import Project
from datakit.config import CONFIG_NAME
from datakit.errors import InputError, UsageError
from datakit.lint.allowing import set_apart
from datakit.lint.collection import Collection
from datakit.lint.context import Context, Training
from datakit.lint.engine import CRASH_CODE, RULES, UNREAD_CODE, Report, run
from datakit.lint.model import Finding, Rule
from datakit.lint.selection import ALL, check_words, levels_of, select
from datakit.lint.settings import LintSettings
from datakit.model.order import RAW
from datakit.model.progress import Progress
from datakit.registry import nearest
from datakit.store.memo import Memo
from datakit.tags.query.matching import parse_where


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of lint; what is not said is as the settings say."""

    stages: tuple[str, ...] = ()
    """All where none is named."""
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    where: str = ""
    """A query: only findings of these items are told."""
    inside: str = ""
    """A folder in the stage that was named: only findings in it are told."""
    targets: tuple[str, ...] = ()
    preview: bool | None = None
    resolution_px: int = 0
    """Side of the training resolution; 0 for what the settings say."""


EVERYTHING: Final = Request()
_PASSING: Final = (CRASH_CODE, UNREAD_CODE)
"""What may be gone the next time although no file changed."""


class Job(NamedTuple):
    """Everything that a run depends on beside the files."""

    rules: list[Rule]
    settings: LintSettings
    common: Context
    config_name: str
    """The file that the settings stand in."""
    request: Request


class Asked(NamedTuple):
    """A job with the files that it concerns."""

    job: Job
    files: DatasetFiles | FolderFiles
    collections: list[Collection]
    memo: Memo


def _job(settings: LintSettings, request: Request, where: str) -> Job:
    every = list(RULES.all())
    check_words(settings.severity, every, where=f"{where} [lint] severity")
    check_words([one.rule for one in settings.allow], every, where=f"{where} [[lint.allow]]")
    _check_queries(settings, request, where)
    preview = settings.preview if request.preview is None else request.preview
    rules = select(
        every, request.select or settings.select or (ALL,), (*settings.ignore, *request.ignore), preview=preview
    )
    side = request.resolution_px
    common = Context(
        targets=targets_named(request.targets or settings.targets),
        training=Training(resolution_px=(side, side)) if side else Training(),
        tokens=token_counter(),
        options=options_of(settings, where=where),
    )
    return Job(rules, settings, common, where, request)


def _check_queries(settings: LintSettings, request: Request, where: str) -> None:
    """Refuse what is no query, also where nothing is found that it could be asked of."""
    if request.where:
        parse_where(request.where, where="--where")
    for one in settings.allow:
        if one.where:
            parse_where(one.where, where=f"{where} [[lint.allow]] where")


def asked_of_stages(project: Project, request: Request, progress: Progress) -> Asked:
    """A run over a dataset's stages.

    Raises:
        UsageError: no such stage, rule or trainer.
        ConfigError: a mistake in `[lint]`.
    """
    job = _job(project.lint_settings, request, CONFIG_NAME)
    for stage in request.stages:
        if stage not in STAGES_OF_IMAGES:
            like = nearest(stage, list(STAGES_OF_IMAGES))
            hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(STAGES_OF_IMAGES)}"
            raise UsageError(f"no stage '{stage}' to lint", hint=hint)
    files = DatasetFiles(project.dataset, needed_looks(job.rules), progress, stages=request.stages)
    collections = stage_collections(project, files, job.common, stages=request.stages)
    return Asked(job, files, collections, project.dataset.memo)


def asked_of_folder(folder: Path, request: Request, progress: Progress) -> Asked:
    """A run over any folder.

    Raises:
        UsageError: no such rule or trainer.
        ConfigError: a mistake in its dsk-lint.toml.
        InputError: the folder cannot be read.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise InputError(f"{folder}: no such folder", hint="dsk lint PATH takes a folder of images and captions")
    settings, vocab, where = folder_settings(root)
    job = _job(settings, request, where)
    files = FolderFiles(root, needed_looks(job.rules), progress)
    collection = folder_collection(files, settings, vocab, job.common, resolution=request.resolution_px)
    return Asked(job, files, [collection], files.memo)


def report_of(asked: Asked) -> Report:
    """The rules' findings, from the memo where neither files nor settings changed; then what people say of them."""
    job = asked.job
    severities = levels_of(job.rules, job.settings.severity)
    reports = []
    for collection in asked.collections:
        name, key = _memo_name(asked, collection), _key(asked, collection)
        known = _recalled(asked.memo, name, key)
        if known is None:
            report = run(job.rules, [collection], severities=severities)
            if key and asked.files.is_whole:
                _remember(asked.memo, name, _Known(key, report.findings, report.num_images, report.num_captions))
        else:
            report = Report(
                findings=known.findings,
                rules=tuple(job.rules),
                num_images=known.num_images,
                num_captions=known.num_captions,
            )
        reports.append(report)
    return _as_said(asked, joined(reports, tuple(job.rules)))


def joined(reports: Sequence[Report], rules: tuple[Rule, ...]) -> Report:
    """Several collections' reports as one."""
    return Report(
        findings=tuple(finding for report in reports for finding in report.findings),
        rules=rules,
        num_images=sum(report.num_images for report in reports),
        num_captions=sum(report.num_captions for report in reports),
    )


def _as_said(asked: Asked, report: Report) -> Report:
    """What was asked for, with what is allowed set apart."""
    request, matcher = asked.job.request, Matcher(asked.collections)
    kept = tuple(one for one in report.findings if _is_asked(request, matcher, one))
    report = msgspec.structs.replace(report, findings=kept)
    limits = (request.stages, request.select, request.ignore, request.where, request.targets, request.resolution_px)
    return _with_allowed(asked, report, matcher, is_whole=not any(limits))


def _is_asked(request: Request, matcher: Matcher, finding: Finding) -> bool:
    if finding.code == CRASH_CODE:
        return True  # it might have found something of what was asked for
    if request.inside and not finding.path.startswith(f"{request.inside}/"):
        return False
    return not request.where or matcher.finds(request.where, finding, where="--where")


def _with_allowed(asked: Asked, report: Report, matcher: Matcher, *, is_whole: bool) -> Report:
    place = f"{asked.job.config_name} [[lint.allow]] where"
    return set_apart(
        report,
        asked.job.settings.allow,
        lambda allow, finding: matcher.finds(allow.where, finding, where=place),
        where=asked.job.config_name,
        is_whole=is_whole,
    )


def may_be_fixed(asked: Asked) -> Callable[[Finding], bool]:
    """Which findings may be fixed: those of the items that were asked for, and that nobody allows."""
    matcher = Matcher(asked.collections)

    def wanted(finding: Finding) -> bool:
        if not _is_asked(asked.job.request, matcher, finding):
            return False
        one = Report(findings=(finding,), rules=tuple(asked.job.rules), num_images=0, num_captions=0)
        return bool(_with_allowed(asked, one, matcher, is_whole=False).findings)

    return wanted


def _memo_name(asked: Asked, collection: Collection) -> str:
    """One place in the memo for each folder and kind of run: what lies there is overwritten."""
    folder = str(asked.files.root) if isinstance(asked.files, FolderFiles) else collection.stage
    kind = repr(([rule.code for rule in asked.job.rules], asked.job.request.targets, collection.is_last))
    place = folder.encode("utf-8", "backslashreplace").decode()
    return f"lint:{hashlib.sha256(kind.encode()).hexdigest()[:12]}:{place}"


class _Known(NamedTuple):
    """What is remembered of a collection."""

    key: str
    findings: tuple[Finding, ...]
    num_images: int
    num_captions: int


def _remember(memo: Memo, name: str, known: _Known) -> None:
    if any(finding.code in _PASSING for finding in known.findings):
        return
    try:
        value = msgspec.msgpack.encode(known)
    except (UnicodeEncodeError, OverflowError):
        return  # a name that is not UTF-8, a number of more than 64 bits: found anew each time
    memo.put([(name, value)])


def _recalled(memo: Memo, name: str, key: str) -> _Known | None:
    value = memo.get([name]).get(name) if key else None
    if value is None:
        return None
    try:
        known = msgspec.msgpack.decode(value, type=_Known)
    except msgspec.DecodeError:
        return None  # written by another version of dsk, or damaged
    return known if known.key == key else None


def _key(asked: Asked, collection: Collection) -> str:
    """Changes whenever a finding of the collection may; '' where that is not known, as of what taggers see."""
    files, context = asked.files, collection.context
    digest = files.digest if isinstance(files, FolderFiles) else files.digest(collection.stage)
    if not digest or collection.scores is not None:
        return ""
    raw = f"{files.digest(RAW)} {files.committed_raw}" if isinstance(files, DatasetFiles) else ""
    state = msgspec.structs.replace(context.state, origins=None) if context.state is not None else None
    parts = (
        *(_code_digest(), digest, raw, collection.stage, collection.is_last),
        *([rule.code for rule in asked.job.rules], asked.job.settings, context.digest),
        *([target.name for target in context.targets], context.training, context.vocabulary.digest, state),
    )
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()


@cache
def _code_digest() -> str:
    """Of the program: what other rules found, or the same ones as they were, is not to be told."""
    import datakit.lint
    import datakit.tags

    folders = [Path(folder) for package in (datakit.lint, datakit.tags) for folder in package.__path__]
    rows = sorted((str(path), path.stat()) for folder in folders for path in folder.rglob("*.py"))
    stamps = [(path, stat.st_size, stat.st_mtime_ns) for path, stat in rows]
    return hashlib.sha256(repr((__version__, stamps)).encode()).hexdigest()
