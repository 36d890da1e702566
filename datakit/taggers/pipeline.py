"""Many images through one tagger: reading, decoding and preparing overlap the model's work.

Threads prepare what the model takes next, at most a few batches ahead, so memory does not grow with the number of
images. An image that cannot be decoded is a fact about it and stops nobody.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from datakit.images.decode import UnreadableImage, open_bounded
from datakit.taggers.preprocess import prepare
from datakit.taggers.scores import pack
from datakit.taggers.session import Session, default_batch

Floats = NDArray[np.float32]
Read = Callable[[], bytes]
Facts = dict[str, Any]

_AHEAD: Final = 2
"""Batches that are prepared before the model asks for them."""
_MOST_WORKERS: Final = 32
"""Threads that prepare; each holds one decoded image."""


def tag(
    reads: Sequence[Read], session: Session, *, batch: int = 0, workers: int = 0
) -> Generator[tuple[int, Facts], None, None]:
    """(Number of an image, `{"scores": packed}` or `{"unreadable": reason}`), as they are ready.

    `batch` images go through the model at once, 0 for what suits it; `workers` threads prepare them, 0 for one a core.
    Whoever stops early closes the generator; it returns when all threads have ended.
    """
    size = batch or default_batch(session)
    model = ThreadPoolExecutor(1, thread_name_prefix="model")
    running: deque[Future[list[tuple[int, Facts]]]] = deque()
    rows = prepared(reads, session, workers=workers, ahead=_AHEAD * size)
    try:
        with closing(_batches(rows, size)) as batches:
            for ready, unreadable in batches:
                yield from unreadable
                if ready:
                    running.append(model.submit(_answers, ready, session))
                if len(running) > 1:  # the next batch is with the model already while these are taken
                    yield from running.popleft().result()
        while running:
            yield from running.popleft().result()
    finally:
        model.shutdown(cancel_futures=True)


def _batches(
    rows: Generator[tuple[int, Floats | str], None, None], size: int
) -> Generator[tuple[list[tuple[int, Floats]], list[tuple[int, Facts]]], None, None]:
    """(Images for the model, those that cannot be read), `size` and fewer at the end."""
    ready: list[tuple[int, Floats]] = []
    unreadable: list[tuple[int, Facts]] = []
    with closing(rows):
        for number, made in rows:
            if isinstance(made, str):
                unreadable.append((number, {"unreadable": made}))
            else:
                ready.append((number, made))
            if len(ready) == size:
                yield ready, unreadable
                ready, unreadable = [], []
    if ready or unreadable:
        yield ready, unreadable


def prepared(
    reads: Sequence[Read], session: Session, *, workers: int, ahead: int
) -> Generator[tuple[int, Floats | str], None, None]:
    """(Number, the image as the model takes it or why it cannot be read), in order; at most `ahead` wait to be asked
    for."""
    count = workers or min(_MOST_WORKERS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(count, thread_name_prefix="prepare")
    waiting: deque[Future[Floats | str]] = deque()
    wanted, size_px = session.found.spec.input, session.size_px

    def work(read: Read) -> Floats | str:
        try:
            return prepare(open_bounded(read()), wanted, size_px)
        except UnreadableImage as error:
            return error.reason

    rest: Iterator[Read] = iter(reads)
    try:
        waiting.extend(pool.submit(work, read) for read in islice(rest, ahead + count))
        number = 0
        while waiting:
            made = waiting.popleft().result()
            waiting.extend(pool.submit(work, read) for read in islice(rest, 1))
            yield number, made
            number += 1
    finally:
        pool.shutdown(cancel_futures=True)


def _answers(ready: Sequence[tuple[int, Floats]], session: Session) -> list[tuple[int, Facts]]:
    found = session.run(np.stack([image for _, image in ready]))
    return [(number, {"scores": pack(scores)}) for (number, _), scores in zip(ready, found, strict=True)]
