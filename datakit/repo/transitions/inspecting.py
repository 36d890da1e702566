"""The costly half of a stage: what its function finds in each image, on all cores, remembered by content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from datakit.config import digest
from datakit.errors import StateError
from datakit.model.item import ImageRef
from datakit.model.progress import Progress
from datakit.model.stage import Product, Stage, Subject
from datakit.repo.dataset import Dataset
from datakit.store.parallel import spread


def inspected(
    dataset: Dataset, stage: Stage, settings: Any, subjects: Sequence[Subject], progress: Progress
) -> list[Subject]:
    """Give each subject what the stage's costly function finds, from the memo where it was found before.

    Raises:
        StateError: an image that must be looked at is not in this clone.
    """
    if stage.inspect is None:
        return list(subjects)
    options = stage.inspect_options(settings) if stage.inspect_options else None
    prefix = f"{stage.name}:{stage.version}:{digest(options)}:"
    wanted = {subject.image.sha256: subject.image for subject in subjects}
    known = {
        key.removeprefix(prefix): msgspec.msgpack.decode(value, type=_Remembered)
        for key, value in dataset.memo.get(prefix + sha for sha in wanted).items()
    }
    known = {sha: found for sha, found in known.items() if found.made is None or dataset.lfs.has(found.made)}
    missing = [ref for sha, ref in wanted.items() if sha not in known]
    _refuse_missing(dataset, stage.name, subjects, missing)
    fresh = _compute(dataset, _bound(stage.inspect, options), missing, lambda n: progress(stage.name, n, len(missing)))
    dataset.memo.put((prefix + sha, msgspec.msgpack.encode(found)) for sha, found in fresh.items())
    known.update(fresh)
    return [
        msgspec.structs.replace(subject, facts=known[subject.image.sha256].facts, made=known[subject.image.sha256].made)
        for subject in subjects
    ]


class _Remembered(msgspec.Struct, frozen=True):
    facts: dict[str, Any]
    made: ImageRef | None


def _refuse_missing(dataset: Dataset, stage: str, subjects: Sequence[Subject], wanted: Sequence[ImageRef]) -> None:
    absent = {ref.sha256 for ref in wanted if ref.size_bytes and not dataset.lfs.has(ref)}
    if absent:
        keys = [subject.key for subject in subjects if subject.image.sha256 in absent]
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        raise StateError(
            f"{stage}: must look at images that are not in this clone: {', '.join(keys[:3])}{more}",
            hint="dsk pull fetches them",
        )


def _bound(inspect: Callable[[bytes, Any], Product], options: Any) -> Callable[[bytes], Product]:
    return lambda data: inspect(data, options)


def _compute(
    dataset: Dataset, inspect: Callable[[bytes], Product], refs: Sequence[ImageRef], tell: Callable[[int], None]
) -> dict[str, _Remembered]:
    lfs = dataset.lfs

    def work(ref: ImageRef) -> tuple[str, _Remembered]:
        product = inspect(lfs.read(ref.sha256))
        made = lfs.ingest_bytes(product.image, product.extension) if product.image is not None else None
        return ref.sha256, _Remembered(product.facts, made)

    found: dict[str, _Remembered] = {}
    for number, (sha, remembered) in enumerate(spread(work, refs), 1):
        found[sha] = remembered
        tell(number)
    return found
