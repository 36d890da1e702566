"""Where an item's tags and image come from, computed from what git holds.

A tag that the stage's function wrote (its tree is in the stage's lock) is the function's, which says where it has it
from, or is asked of the stage before, as the function read it. A tag that the function did not write is a person's:
the operation that brought it is found in the history of that one file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import msgspec

from datakit.errors import InputError
from datakit.model.item import CAPTION_EXTENSION, RECORD_EXTENSION, split_path
from datakit.model.order import COMPUTED, RAW
from datakit.model.provenance import Cause, Doer
from datakit.model.record import Record, decode_record
from datakit.model.stage import Origin, Stage
from datakit.repo.dataset import Dataset
from datakit.repo.items import item_files
from datakit.repo.oplog import Operation
from datakit.repo.past.stageruns import Prepare, StageRun, as_decoded, image_origin, read_run, tags_of
from datakit.repo.past.tracing import Facts, Found, ItemFile, Position, Tracer
from datakit.tags.names import to_canonical

_NONE: Facts = frozenset()
_IMPORT = "import"


class Blamer:
    """Questions about one dataset; what was read for one is known for the next."""

    def __init__(
        self,
        dataset: Dataset,
        stages: Callable[[str], Stage],
        *,
        renamed: Mapping[str, str],
        prepare: Prepare = as_decoded,
    ) -> None:
        """`renamed`: old key → new key, of hand renames that are not committed yet."""
        self._dataset = dataset
        self._stages = stages
        self._prepare = prepare
        self._tracer = Tracer(dataset, renamed)
        self._runs: dict[tuple[Position, str, str], StageRun | None] = {}

    def tags(self, at: Position, stage: str, key: str, tags: Iterable[str]) -> dict[str, Cause]:
        """What each of the given tags of a caption comes from."""
        asked = frozenset(tags)
        if not asked:
            return {}
        run = self._run(at, stage, key)
        made = asked & run.tags_made if run else _NONE
        return self._by_people(at, stage, key, asked - made) | (self._by_function(run, key, made) if run else {})

    def removed(self, at: Position, stage: str, key: str, tags: Iterable[str]) -> dict[str, Cause]:
        """Tags that the caption had once, or could have had, and what took them away; `tags` are those that it has."""
        now = frozenset(tags)
        gone: dict[str, Cause] = {}
        here, where = stage, at
        while (run := self._run(where, here, key)) is not None:
            left_out = {tag: _cause(here, origin) for tag, origin in run.origins.items() if origin.removed}
            unnamed = run.tags_read - run.tags_made - left_out.keys()
            rest = {tag: Cause(stage=here, kind="stage", detail=f"{here} leaves it out") for tag in unnamed}
            by_hand = run.tags_made - frozenset(self.caption(where, here, key)) - now - gone.keys()
            for part in (self._taken_out(where, here, key, by_hand), left_out, rest):
                gone |= {tag: cause for tag, cause in part.items() if tag not in now and tag not in gone}
            here, where = run.source, run.read_at
        file = ItemFile(stage, key, CAPTION_EXTENSION)
        ever = {tag for blob in self._tracer.states(at, file) for tag in tags_of(self._dataset, blob)}
        return gone | self._taken_out(at, stage, key, frozenset(ever) - now - gone.keys())

    def image(self, at: Position, stage: str, key: str) -> tuple[Cause, ...]:
        """What the item's image comes from, the import first; empty where there is none."""
        images = item_files(self._dataset, at.tree, stage, key).images
        if not images:
            return ()
        path, blob = min(images.items())
        if stage == RAW:
            return (self._imported(at, key, path, blob),)
        run = self._run(at, stage, key)
        if run is not None and blob in run.images_made:
            earlier = self.image(run.read_at, run.source, key)
            if blob in run.images_read:
                return earlier
            return (*earlier, _cause(stage, image_origin(self._dataset, run)))
        found = self._since(at, stage, path, blob)
        then = self._run_position(at, stage, found)
        if found is not None and then is not None:
            return self.image(then, stage, found.key)
        earlier = self.image(run.read_at, run.source, key) if run and run.images_made else ()
        return (*earlier, _by_operation(stage, found))

    def caption(self, at: Position, stage: str, key: str) -> tuple[str, ...]:
        """Canonical tags of a caption."""
        return tags_of(self._dataset, self._tracer.blob(at.tree, ItemFile(stage, key, CAPTION_EXTENSION).path))

    def _run(self, at: Position, stage: str, key: str) -> StageRun | None:
        if stage not in COMPUTED:
            return None
        name = (at, stage, key)
        if name not in self._runs:
            found = read_run(self._dataset, self._tracer, at, self._stages(stage), key=key, prepare=self._prepare)
            self._runs[name] = found
        return self._runs[name]

    def _by_function(self, run: StageRun, key: str, tags: Facts) -> dict[str, Cause]:
        stage = run.stage.name
        named = {tag: run.origins[tag] for tag in tags if tag in run.origins and not run.origins[tag].removed}
        causes = {tag: _cause(stage, origin) for tag, origin in named.items()}
        causes |= self._from_raw(run, key, named)
        was = {tag: origin.was for tag, origin in named.items() if origin.was in run.tags_read}
        passed = (tags - named.keys()) & run.tags_read
        asked = self.tags(run.read_at, run.source, key, passed | frozenset(was.values()))
        causes |= {tag: asked[tag] for tag in passed}
        causes |= {tag: msgspec.structs.replace(asked[old], was=old) for tag, old in was.items()}
        rest = tags - causes.keys()
        return causes | {tag: Cause(stage=stage, kind="stage", detail=f"made by {stage}") for tag in rest}

    def _from_raw(self, run: StageRun, key: str, named: Mapping[str, Origin]) -> dict[str, Cause]:
        """Tags that the function has from raw's files, with the operation that brought them there."""
        causes: dict[str, Cause] = {}
        for kind, extension, read in (
            ("site", RECORD_EXTENSION, self._record_tags),
            ("caption", CAPTION_EXTENSION, self._caption_tags),
        ):
            tags = frozenset(tag for tag, origin in named.items() if origin.kind == kind)
            file = ItemFile(RAW, key, extension)
            for tag, found in self._tracer.trace(run.read_at, file, tags, read).items():
                causes[tag] = msgspec.structs.replace(
                    _cause(RAW, named[tag]), operation=doer_of(found.operation) if found.operation else None
                )
        return causes

    def _by_people(self, at: Position, stage: str, key: str, tags: Facts) -> dict[str, Cause]:
        found = self._tracer.trace(at, ItemFile(stage, key, CAPTION_EXTENSION), tags, self._caption_tags)
        causes: dict[str, Cause] = {}
        by_run: dict[tuple[Position, str], set[str]] = defaultdict(set)
        for tag, one in found.items():
            then = self._run_position(at, stage, one)
            if then is not None:
                by_run[then, one.key].add(tag)
            else:
                causes[tag] = _by_operation(stage, one)
        for (then, name), some in by_run.items():  # the function wrote them once, and does no more
            causes |= self.tags(then, stage, name, some)
        return causes | {tag: _by_operation(stage, None) for tag in tags - causes.keys()}

    def _taken_out(self, at: Position, stage: str, key: str, tags: Facts) -> dict[str, Cause]:
        """What took tags out of a caption."""
        file = ItemFile(stage, key, CAPTION_EXTENSION)
        found = self._tracer.trace(at, file, tags, lambda blob: tags - frozenset(tags_of(self._dataset, blob)))
        return {tag: _by_operation(stage, found.get(tag)) for tag in tags}

    def _since(self, at: Position, stage: str, path: str, blob: bytes) -> Found | None:
        """What brought an image's content to its path."""
        fact = blob.hex()
        file = ItemFile(stage, *split_path(path))
        return self._tracer.trace(at, file, {fact}, lambda one: {one.hex()} if one else _NONE).get(fact)

    def _run_position(self, at: Position, stage: str, found: Found | None) -> Position | None:
        """Where an earlier run of the stage's function left off, if that is what was found."""
        operation = found.operation if found else None
        if operation is None or not _is_run(operation, stage) or operation.commit == (at.commit or b"").hex():
            return None
        commit = bytes.fromhex(operation.commit)
        return Position(commit, self._dataset.tree_of(commit))

    def _imported(self, at: Position, key: str, path: str, blob: bytes) -> Cause:
        cause = _by_operation(RAW, self._since(at, RAW, path, blob))
        record = self._record(self._tracer.blob(at.tree, ItemFile(RAW, key, RECORD_EXTENSION).path))
        if record is None:
            return cause
        if record.derived is not None:
            x, y, width, height = record.derived.crop_px
            detail = f"{record.derived.item}, {width} x {height} at {x}, {y}"
            return msgspec.structs.replace(cause, kind="derived", detail=detail)
        post = f"{record.site} post {record.post_id}".strip() if record.post_id else record.site
        where = ", ".join(filter(None, (post, next(iter(record.urls), ""), record.original)))
        return msgspec.structs.replace(cause, detail=where)

    def _record(self, blob: bytes | None) -> Record | None:
        try:
            return decode_record(self._dataset.objects.read(blob), path="raw", upstream=False) if blob else None
        except InputError:
            return None

    def _record_tags(self, blob: bytes | None) -> Facts:
        record = self._record(blob)
        return frozenset(map(to_canonical, record.all_tags())) if record else _NONE

    def _caption_tags(self, blob: bytes | None) -> Facts:
        return frozenset(tags_of(self._dataset, blob))


def _is_run(operation: Operation, stage: str) -> bool:
    return operation.op == operation.stage == stage


def _cause(stage: str, origin: Origin) -> Cause:
    return Cause(stage=stage, kind=origin.kind, detail=origin.detail, score=origin.score, was=origin.was)


def _by_operation(stage: str, found: Found | None) -> Cause:
    """A person's doing, as far as the history tells."""
    if found is None:
        return Cause(stage=stage, kind="unknown", detail="the history does not tell")
    if found.operation is None:
        return Cause(stage=stage, kind="pending", detail="not committed yet")
    operation = found.operation
    if _is_run(operation, stage):
        return Cause(
            stage=stage,
            kind="stage",
            detail="the stage before changed",
            operation=doer_of(operation) if operation else None,
        )
    return Cause(
        stage=stage,
        kind="import" if operation.op == _IMPORT else "person",
        operation=doer_of(operation) if operation else None,
    )


def doer_of(operation: Operation) -> Doer:
    """Who did an operation, and when, as a value for people."""
    return Doer(
        commit=operation.commit,
        time=operation.time,
        author=operation.author,
        op=operation.op,
        subject=operation.subject,
    )
