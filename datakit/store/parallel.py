"""Work on many files with all cores, in order, in batches that keep the cost of handing work over small."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_BATCH = 16


def spread(function: Callable[[T], R], rows: Sequence[T]) -> Iterator[R]:
    """`function` of each row, in the rows' order, computed by as many threads as there are cores.

    For functions that leave the interpreter most of their time: reading, hashing, decoding, writing.
    """
    threads = os.cpu_count() or 1
    size = max(1, min(_BATCH, len(rows) // (4 * threads)))
    batches = [rows[at : at + size] for at in range(0, len(rows), size)]
    pool = ThreadPoolExecutor(threads)
    try:
        for done in pool.map(lambda batch: [function(row) for row in batch], batches):
            yield from done
    finally:  # whoever stops early, by Ctrl-C or an error, waits only for what is being worked on
        pool.shutdown(cancel_futures=True)
