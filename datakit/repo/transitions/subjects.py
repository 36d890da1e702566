"""Items of a tree as the subjects that a stage's function takes."""

from __future__ import annotations

from collections.abc import Mapping

from datakit.errors import InputError
from datakit.model.item import ImageRef
from datakit.model.record import Record, decode_record
from datakit.model.stage import Drop, Subject
from datakit.repo.dataset import Dataset
from datakit.repo.stagetree import ItemFiles

_NONE = ItemFiles()


def read_subjects(
    dataset: Dataset, items: Mapping[str, ItemFiles], raw: Mapping[str, ItemFiles], *, is_raw: bool
) -> tuple[list[Subject], list[Drop], list[str]]:
    """The subjects, sorted by key; a drop for each image that shares its stem with another; what could not be used.

    A caption that raw holds came along with the scrape: it is no stage's caption yet.
    """
    subjects: list[Subject] = []
    drops: list[Drop] = []
    problems: list[str] = []
    for key, item in items.items():
        refs = _images(dataset, item)
        if not refs:
            continue
        path, ref = refs[0]
        origin = raw.get(key, _NONE)
        subjects.append(
            Subject(
                key=key,
                image=ref,
                caption=None if is_raw else _text(dataset, item.caption),
                record=_record(dataset, key, origin, problems),
                scraped_caption=_text(dataset, origin.caption),
            )
        )
        drops += [
            Drop(
                key=extra,
                rule="shared-stem",
                reason=f"{extra} has the stem of {path}: rename one of them",
                evidence={"kept": path},
            )
            for extra, _ in refs[1:]
        ]
    return subjects, drops, problems


def _images(dataset: Dataset, item: ItemFiles) -> list[tuple[str, ImageRef]]:
    found = ((path, dataset.image_ref(f"raw/{path}", blob)) for path, blob in sorted(item.images.items()))
    return [(path, ref) for path, ref in found if ref is not None]


def _text(dataset: Dataset, blob: bytes | None) -> str | None:
    """A caption's text; bytes that are no UTF-8 become U+FFFD, which lint finds."""
    return None if blob is None else dataset.objects.read(blob).decode("utf-8-sig", "replace")


def _record(dataset: Dataset, key: str, item: ItemFiles, problems: list[str]) -> Record | None:
    """The record; None for metadata of somebody else's making, which stops nobody."""
    if item.record is None:
        return None
    try:
        return decode_record(dataset.objects.read(item.record), path=f"raw/{key}.json", upstream=False)
    except InputError as error:
        problems.append(f"{error.message}; it is not used")
        return None
