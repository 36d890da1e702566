"""The costly half of a stage: what its function finds in each image, on all cores, remembered by content."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from datakit.errors import StateError
from datakit.images.decode import BYTE_LIMIT
from datakit.model.item import ImageRef
from datakit.model.progress import Progress
from datakit.model.stage import FAILED, Job, Look, Product, Stage, Subject
from datakit.repo.dataset import Dataset
from datakit.store.parallel import spread

_MOST_BYTES: Final = BYTE_LIMIT + 1
"""More are not read: that there are more is what the decoder must know."""
REMEMBER_EVERY_S: Final = 2.0
"""What was found is written down this often, so that whoever stops the work keeps it."""


class Remembered(msgspec.Struct, frozen=True):
    """A look's answer as the memo has it."""

    facts: dict[str, Any]
    made: ImageRef | None


class _Wanted(NamedTuple):
    """An image with the looks that nobody remembers."""

    image: ImageRef
    looks: tuple[Look, ...]


Answers = Generator[tuple[_Wanted, list[Remembered]], None, None]
Tell = Callable[[int, int], None]


def inspected(
    dataset: Dataset, stage: Stage, given: Any, subjects: Sequence[Subject], progress: Progress
) -> list[Subject]:
    """Give each subject what the stage's costly function finds, from the memo where it was found before.

    Raises:
        StateError: an image that must be looked at is not in this clone.
    """
    if stage.looks is None:
        return list(subjects)
    looks, known = _asked(dataset, stage, given, subjects)
    wanted: dict[str, _Wanted] = {}
    for subject, mine in zip(subjects, looks, strict=True):
        image = subject.image
        missing = {look.key: look for look in mine if memo_name(look, image) not in known}
        if missing:
            asked = {look.key: look for look in wanted[image.sha256].looks} if image.sha256 in wanted else {}
            wanted[image.sha256] = _Wanted(image, tuple({**missing, **asked}.values()))
    _refuse_missing(dataset, stage.name, subjects, wanted)
    answers = _answers(dataset, stage, given, list(wanted.values()))
    known |= _kept(dataset, answers, lambda number: progress(stage.name, number, len(wanted)))
    return [_informed(subject, mine, known) for subject, mine in zip(subjects, looks, strict=True)]


def recalled(dataset: Dataset, stage: Stage, given: Any, subject: Subject) -> Subject:
    """The subject with what is remembered of its image; looks that nobody remembers are not among its facts."""
    return all_recalled(dataset, stage, given, [subject])[0]


def all_recalled(dataset: Dataset, stage: Stage, given: Any, subjects: Sequence[Subject]) -> list[Subject]:
    """As `recalled`, of many subjects at once."""
    looks, known = _asked(dataset, stage, given, subjects)
    return [
        _informed(subject, [look for look in mine if memo_name(look, subject.image) in known], known)
        for subject, mine in zip(subjects, looks, strict=True)
    ]


def facts_of_images(
    dataset: Dataset, look: Look, images: Iterable[ImageRef], answer: Callable[[bytes], Product], tell: Tell
) -> dict[str, dict[str, Any]]:
    """sha256 → what one look finds in each image of this clone, remembered as the stages that ask it remember it.

    `tell` gets (done so far, total).
    """
    wanted = {memo_name(look, image): _Wanted(image, (look,)) for image in images}
    known = _remembered(dataset, set(wanted))
    missing = [one for name, one in wanted.items() if name not in known and dataset.lfs.has(one.image)]

    def answers() -> Answers:
        read = partial(_read, dataset)
        yield from spread(lambda one: (one, [Remembered(answer(read(one)).facts, None)]), missing)

    known |= _kept(dataset, answers(), lambda number: tell(number, len(missing)))
    return {wanted[name].image.sha256: one.facts for name, one in known.items()}


def _asked(
    dataset: Dataset, stage: Stage, given: Any, subjects: Sequence[Subject]
) -> tuple[list[tuple[Look, ...]], dict[str, Remembered]]:
    """(The looks of each subject, memo's name → those answers that are remembered)."""
    looks = [tuple(stage.looks(subject, given)) if stage.looks is not None else () for subject in subjects]
    names = {memo_name(look, subject.image) for subject, mine in zip(subjects, looks, strict=True) for look in mine}
    return looks, _remembered(dataset, names)


def memo_name(look: Look, image: ImageRef) -> str:
    """What a look's answer is remembered by."""
    return f"{look.key}:{image.sha256}"


def _informed(subject: Subject, looks: Sequence[Look], known: Mapping[str, Remembered]) -> Subject:
    found = {look.name: known[memo_name(look, subject.image)] for look in looks}
    made = next((one.made for one in found.values() if one.made is not None), None)
    return msgspec.structs.replace(subject, facts={name: one.facts for name, one in found.items()}, made=made)


def _remembered(dataset: Dataset, names: set[str]) -> dict[str, Remembered]:
    rows = dataset.memo.get(names)
    decoder = msgspec.msgpack.Decoder(Remembered)
    found: dict[str, Remembered] = {}
    while rows:  # what is decoded need not be held twice
        name, value = rows.popitem()
        one = decoder.decode(value)
        if one.made is None or dataset.lfs.has(one.made):
            found[name] = one
    return found


def _refuse_missing(dataset: Dataset, stage: str, subjects: Sequence[Subject], wanted: Mapping[str, _Wanted]) -> None:
    absent = {sha for sha, one in wanted.items() if one.image.size_bytes and not dataset.lfs.has(one.image)}
    if absent:
        keys = [subject.key for subject in subjects if subject.image.sha256 in absent]
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        raise StateError(
            f"{stage}: must look at images that are not in this clone: {', '.join(keys[:3])}{more}",
            hint="dsk pull fetches them",
        )


def _kept(dataset: Dataset, ready: Answers, tell: Callable[[int], None]) -> dict[str, Remembered]:
    """Memo's name → answer of every look; each is in the memo at most `REMEMBER_EVERY_S` after it was found."""
    found: dict[str, Remembered] = {}
    fresh: dict[str, Remembered] = {}
    written = time.monotonic()

    def remember() -> None:
        lasting = {name: one for name, one in fresh.items() if FAILED not in one.facts}
        dataset.memo.put((name, msgspec.msgpack.encode(one)) for name, one in lasting.items())
        found.update(fresh)
        fresh.clear()

    with closing(ready) as answers:
        try:
            for number, (one, products) in enumerate(answers, 1):
                for look, product in zip(one.looks, products, strict=True):
                    fresh[memo_name(look, one.image)] = product
                tell(number)
                if time.monotonic() - written > REMEMBER_EVERY_S:
                    remember()
                    written = time.monotonic()
        finally:
            remember()
    return found


def _read(dataset: Dataset, one: _Wanted) -> bytes:
    return dataset.lfs.read(one.image.sha256, most_bytes=_MOST_BYTES)


def _answers(dataset: Dataset, stage: Stage, given: Any, wanted: Sequence[_Wanted]) -> Answers:
    """Every image with its looks' answers, as they are ready; the images that were made are in the store."""
    read = partial(_read, dataset)

    def stored(product: Product) -> Remembered:
        made = dataset.lfs.ingest_bytes(product.image, product.extension) if product.image is not None else None
        return Remembered(product.facts, made)

    if stage.inspect_many is not None:
        jobs = [Job(read=partial(read, one), looks=one.looks) for one in wanted]
        if jobs:
            with closing(stage.inspect_many(jobs, given)) as found:
                for number, products in found:
                    yield wanted[number], [stored(product) for product in products]
        return
    inspect = stage.inspect
    assert inspect is not None

    def work(one: _Wanted) -> tuple[_Wanted, list[Remembered]]:
        return one, [stored(product) for product in inspect(read(one), one.looks)]

    yield from spread(work, wanted)
