"""Prose from any program, such as a vision language model: JSON lines in and out.

The program is started once. It is sent a line for each image and answers each with a line, in any order:

    {"id": 1, "image": "/tmp/…/1.png", "key": "aria/one", "tags": ["1girl"], "caption": ""}
    {"id": 1, "caption": "A girl …"}     or     {"id": 1, "error": "out of memory"}

At most `AHEAD` images wait for their answer; the file is gone once it has come. The end of its input tells the program
to end. What it prints besides, on either output, is shown when it dies.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Final, Protocol

from datakit.config import CONFIG_NAME
from datakit.errors import ConfigError, StateError
from datakit.images.decode import UnreadableImage, format_of, open_lazily
from datakit.taggers.filedigests import cache_folder

AHEAD: Final = 16
VARIABLE: Final = "DSK_ALLOW_COMMAND"
"""Set to 1, every dataset's command may run."""
_MOST_CHARACTERS: Final = 100_000
_LINE_BYTES: Final = 4 << 20
_SHOWN_LINES: Final = 3
_SHOWN_CHARACTERS: Final = 500
_MOST_ANSWERS: Final = 4 * AHEAD
"""That wait to be read; a program that writes more is made to wait."""
_GRACE_S: Final = 5.0
_ALLOWED: Final = "allowed-commands.json"

Facts = dict[str, Any]


class Asked(Protocol):
    """What the program is told of an item."""

    @property
    def key(self) -> str:
        """`concept/stem`."""
        ...

    @property
    def tags(self) -> tuple[str, ...]:
        """Canonical names that are known without taggers."""
        ...

    @property
    def caption(self) -> str:
        """As it came along with the scrape."""
        ...


def ask_command(
    command: str, rows: Sequence[tuple[Callable[[], bytes], Any]], *, timeout_s: float
) -> Generator[tuple[int, Facts], None, None]:
    """(Number of an image, `{"caption": …}`, `{"error": …}` or `{"unreadable": …}`), as they are ready.

    `rows` has the image's bytes and an `Asked` of each. Whoever stops early closes the generator, which ends the
    program.

    Raises:
        ConfigError: there is no such program.
        StateError: it ended too early, or gave no answer for `timeout_s`; has its last lines.
    """
    folder = Path(tempfile.mkdtemp(prefix="dsk-caption-"))  # for this person alone
    try:
        with contextlib.closing(_Program(command)) as program:
            waiting: dict[int, Path] = {}
            for number, (read, asked) in enumerate(rows):
                path = _written(folder, number, read)
                if isinstance(path, str):
                    yield number, {"unreadable": path}
                    continue
                waiting[number] = path
                program.send(_line(number, path, asked))
                while len(waiting) >= AHEAD:
                    yield _next(program, waiting, timeout_s)
            while waiting:
                yield _next(program, waiting, timeout_s)
            program.done()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _written(folder: Path, number: int, read: Callable[[], bytes]) -> Path | str:
    """The image as a file named by its format, or why it is none."""
    data = read()
    try:
        extension = format_of(open_lazily(io.BytesIO(data))).replace("jpeg", "jpg")
    except UnreadableImage as error:
        return error.reason
    path = folder / f"{number}.{extension}"
    path.write_bytes(data)
    return path


def _line(number: int, path: Path, asked: Asked) -> str:
    row = {"id": number, "image": str(path), "key": asked.key, "tags": list(asked.tags), "caption": asked.caption}
    return json.dumps(row, ensure_ascii=False)


def _next(program: _Program, waiting: dict[int, Path], timeout_s: float) -> tuple[int, Facts]:
    """The next answer to one of those that wait; its file is deleted."""
    until = time.monotonic() + timeout_s  # what nobody asked for is no answer, and gives no more time
    while True:
        answer = program.receive(until, timeout_s)
        number = answer.get("id")
        if isinstance(number, int) and not isinstance(number, bool) and number in waiting:
            waiting.pop(number).unlink(missing_ok=True)
            return number, _facts(answer)
        program.remember(f"answered to id {number!r}, which nobody asked")


def _facts(answer: dict[str, Any]) -> Facts:
    error, caption = answer.get("error"), answer.get("caption")
    if error is not None:
        return {"error": _clean(str(error)[:_SHOWN_CHARACTERS]) or "an error without a word"}
    if not isinstance(caption, str):
        return {"error": "an answer without a caption"}
    if len(caption) > _MOST_CHARACTERS:
        return {"error": f"a caption of {len(caption):,} characters"}
    return {"caption": "\n".join(line.rstrip() for line in _clean(caption).strip().splitlines())}


def _clean(text: str) -> str:
    """Without what no file can hold: NUL, and halves of characters, which JSON can escape."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


class _Program:
    """A program that runs, with a thread for each of its three ends, so that none can block the others."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._is_done = False
        self._last: deque[str] = deque(maxlen=50)
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST_ANSWERS)
        self._requests: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = _start(command)
        assert self._process.stdin
        assert self._process.stdout
        assert self._process.stderr
        self._threads = [
            threading.Thread(target=self._write, args=(self._process.stdin,), daemon=True),
            threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, line: str) -> None:
        self._requests.put(line)

    def done(self) -> None:
        """It has answered all."""
        self._is_done = True

    def remember(self, line: str) -> None:
        """Keep a line to be shown when the program fails."""
        self._last.append(line[:_SHOWN_CHARACTERS])

    def receive(self, until: float, timeout_s: float) -> dict[str, Any]:
        """Its next answer, for which `timeout_s` end at `until`."""
        try:
            answer = self._answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise self._failure(f"gave no answer for {timeout_s:g} s") from None
        if answer is None:
            raise self._failure(f"ended too early{self._ending()}")
        return answer

    def close(self) -> None:
        """End it and those that it started; one that has answered all may end by itself first."""
        self._requests.put(None)
        if self._is_done:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_S)
        _end(self._process)
        until = time.monotonic() + _GRACE_S
        while self._threads[1].is_alive() and time.monotonic() < until:
            with contextlib.suppress(queue.Empty):  # it may wait for room
                self._answers.get(timeout=0.01)
        for thread in self._threads:
            thread.join(_GRACE_S)
        for end in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if end:
                    end.close()

    def _failure(self, what: str) -> StateError:
        last = " / ".join(line for line in list(self._last)[-_SHOWN_LINES:])
        said = f"; it said last: {last}" if last else "; it said nothing"
        hint = "what it answered is kept: dsk caption goes on with the rest"
        return StateError(f"captioned.command `{self._command}` {what}{said}", hint=hint)

    def _ending(self) -> str:
        try:
            code = self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            return " (it closed its output)"
        self._threads[2].join(_GRACE_S)
        return f" (exit code {code})" if code >= 0 else f" ({signal.Signals(-code).name})"

    def _write(self, to: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):  # it ended: the reader tells
            while (line := self._requests.get()) is not None:
                to.write(line.encode() + b"\n")
                to.flush()
            to.close()

    def _read(self, source: IO[bytes]) -> None:
        try:
            for line in _lines(source):
                try:
                    answer = json.loads(line)
                except (ValueError, RecursionError):
                    answer = None
                if isinstance(answer, dict):
                    self._answers.put(answer)
                else:
                    self.remember(line)
        finally:
            self._answers.put(None)

    def _listen(self, source: IO[bytes]) -> None:
        for line in _lines(source):
            self.remember(line)


def _lines(source: IO[bytes]) -> Iterable[str]:
    """Lines that are not empty; of one without end what fits."""
    with contextlib.suppress(OSError, ValueError):  # closed by us
        while line := source.readline(_LINE_BYTES):
            text = line.decode("utf-8", "replace").strip()
            if text:
                yield text


def _start(command: str) -> subprocess.Popen[bytes]:
    try:
        argv = shlex.split(command)
    except ValueError as error:
        hint = "it is split into words as a shell does"
        raise ConfigError(f"dsk.toml [captioned] command: {error}", hint=hint) from error
    if not argv:
        raise ConfigError("dsk.toml [captioned] command: no program in it")
    pipe = subprocess.PIPE
    try:
        # A session of its own: Ctrl-C is for dsk, which then ends the program and all that it started.
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=os.name == "posix")
    except (OSError, ValueError) as error:  # the latter for a NUL
        reason = error.strerror if isinstance(error, OSError) else str(error)
        hint = "the program has to be on the PATH; or give its whole path"
        raise ConfigError(f"dsk.toml [captioned] command: {argv[0]}: {reason}", hint=hint) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    if os.name != "posix":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def require_allowed(command: str) -> None:
    """Refuse to run a program because a dataset says so: it may be another person's.

    Raises:
        StateError: nobody allowed it on this computer; the hint says how.
    """
    if os.environ.get(VARIABLE) == "1" or _grant(command) in _allowed():
        return
    hint = f"dsk caption --allow-command lets it run for this dataset, {VARIABLE}=1 every dataset's"
    raise StateError(f"captioned: dsk.toml wants to run `{command}`", hint=hint)


def allow(command: str) -> None:
    """Let a command run from now on, on this computer and for the dataset in which dsk was called."""
    path = cache_folder() / _ALLOWED
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(f".{os.getpid()}")
    half.write_text(json.dumps(sorted({*_allowed(), _grant(command)})), "utf-8")
    half.replace(path)


def _grant(command: str) -> str:
    """What is allowed: a command in a dataset's folder. `python caption.py` is another program in each."""
    here = Path.cwd()
    home = next((one for one in (here, *here.parents) if (one / CONFIG_NAME).is_file()), here)
    return f"{home}: {command}"


def _allowed() -> frozenset[str]:
    try:
        found = json.loads((cache_folder() / _ALLOWED).read_bytes())
    except (OSError, ValueError):
        return frozenset()
    return frozenset(one for one in found if isinstance(one, str)) if isinstance(found, list) else frozenset()
