"""Work on many files with all cores, in order, in batches that keep the cost of handing work over small."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import selectors
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_BATCH = 16
_FORKED_BATCH = 64
_MOST_TICKETS = 8192
"""All batch numbers, of four bytes each, must fit into a pipe."""
NUM_PROCESSES: Final = (os.cpu_count() or 1) if hasattr(os, "fork") and sys.platform != "darwin" else 1
"""Processes that `spread_forked` uses; on macOS the system's own libraries do not survive a fork."""


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


def spread_forked(
    function: Callable[[T], R], rows: Sequence[T], *, at_least: int, batch: int = _FORKED_BATCH
) -> Iterator[R]:
    """As `spread`, by forked processes where there are `at_least` rows: small files cost the interpreter most.

    The processes begin at once. What the function changes in memory is lost; its results and errors are pickled. A
    process that loses its parent ends with its batch, and holds the parent's locks until then.
    """
    if len(rows) < at_least or NUM_PROCESSES < 2:
        return spread(function, rows)
    size = max(batch, -(-len(rows) // _MOST_TICKETS))
    batches = [rows[at : at + size] for at in range(0, len(rows), size)]
    gathered = _gathered(_Crew(lambda number: [function(row) for row in batches[number]], len(batches)))
    next(gathered)  # from now on whoever drops it, even unread, ends the processes
    return gathered


def _gathered(crew: _Crew) -> Iterator[Any]:
    """A first None, then every result."""
    try:
        yield None
        for done in crew.results():
            yield from done
    finally:
        crew.dismiss()


class _Worker(NamedTuple):
    process: int
    output: BinaryIO


class _Crew:
    """Forked processes that draw batch numbers from one pipe and hand each result back through a pipe of their own."""

    def __init__(self, work: Callable[[int], list[Any]], number: int) -> None:
        self._number = number
        self._workers: list[_Worker] = []
        tickets, giving = os.pipe()
        os.write(giving, b"".join(one.to_bytes(4, "big") for one in range(number)))
        os.close(giving)
        gc.freeze()  # else the collector would touch, and so copy, all of the parent's memory
        try:
            for _ in range(min(NUM_PROCESSES, number)):
                self._workers.append(self._fork(work, tickets))
        finally:
            gc.unfreeze()
            os.close(tickets)

    def _fork(self, work: Callable[[int], list[Any]], tickets: int) -> _Worker:
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a progress bar's thread holds nothing that we need
            process = os.fork()
        if process == 0:
            _serve(work, tickets, writing, [reading, *(worker.output.fileno() for worker in self._workers)])
        os.close(writing)
        return _Worker(process, os.fdopen(reading, "rb", buffering=0))  # unbuffered: the selector must see what is left

    def results(self) -> Iterator[list[Any]]:
        """What the batches gave, in their order.

        Raises:
            Whatever a batch raised.
        """
        early: dict[int, list[Any]] = {}
        wanted = 0
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                selector.register(worker.output, selectors.EVENT_READ)
            while wanted < self._number:
                for key, _ in selector.select():
                    done = _receive(key.fileobj)  # type: ignore[arg-type]
                    if done is None:
                        selector.unregister(key.fileobj)
                    elif isinstance(done[1], BaseException):
                        raise done[1]
                    else:
                        early[done[0]] = done[1]
                if not selector.get_map() and wanted not in early:
                    raise ChildProcessError("a process that dsk started was killed")
                while wanted in early:
                    yield early.pop(wanted)
                    wanted += 1

    def dismiss(self) -> None:
        """End those that are still at work, and wait for them."""
        for worker in self._workers:
            worker.output.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.process, signal.SIGTERM)
        for worker in self._workers:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(worker.process, 0)


def _serve(work: Callable[[int], list[Any]], tickets: int, output: int, others: Sequence[int]) -> NoReturn:
    """Do batches until none is left, then end without anything of the parent's being tidied up."""
    code = 1
    try:
        gc.disable()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for other in others:
            os.close(other)
        with os.fdopen(output, "wb", buffering=0) as file:
            while ticket := os.read(tickets, 4):
                number = int.from_bytes(ticket, "big")
                _send(file, number, _result(work, number))
        code = 0
    finally:
        os._exit(code)


def _result(work: Callable[[int], list[Any]], number: int) -> list[Any] | Exception:
    try:
        return work(number)
    except Exception as error:  # noqa: BLE001 - the parent raises it
        return error


def _send(file: BinaryIO, number: int, result: list[Any] | Exception) -> None:
    data = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    view = memoryview(number.to_bytes(4, "big") + len(data).to_bytes(8, "big") + data)
    while view:
        view = view[file.write(view) :]


def _receive(file: BinaryIO) -> tuple[int, Any] | None:
    """One result with its batch's number; None when the process has no more."""
    head = _exactly(file, 12)
    if head is None:
        return None
    data = _exactly(file, int.from_bytes(head[4:], "big"))
    return None if data is None else (int.from_bytes(head[:4], "big"), pickle.loads(data))


def _exactly(file: BinaryIO, number: int) -> bytes | None:
    """That many bytes; None where the other end was closed before."""
    parts: list[bytes] = []
    while number:
        part = file.read(number)
        if not part:
            return None
        parts.append(part)
        number -= len(part)
    return b"".join(parts)
