"""dsk in a process of its own, forked from one that has loaded it: Python and the libraries start once, not each time.

What Python or libgit2 read of the environment when they start cannot be changed later: `start` refuses it, and the
caller starts Python anew. Only Linux is known to fork this well.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import struct
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

_AT_START = {"HOME", "TZ", "LANG"}
_AT_START_PREFIXES = ("GIT_", "LC_", "PYTHON", "XDG_")
_LAZY = ("numpy", "PIL.PngImagePlugin", "rich.console", "rich.markdown", "rich.progress", "rich.table")
_LONGEST = 1 << 17
_NUMBER = struct.Struct("<i")


def _read_at_start(env: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in env.items() if k in _AT_START or k.startswith(_AT_START_PREFIXES)}


class Running:
    """A command at work, as subprocess.Popen has it."""

    def __init__(self, reply: int) -> None:
        self._reply = reply
        self.pid = self._number()
        self.returncode: int | None = None

    def _number(self) -> int:
        data = os.read(self._reply, _NUMBER.size)
        assert data, "the process that forks has ended"
        return int(_NUMBER.unpack(data)[0])

    def wait(self) -> int:
        """Its exit code; minus the number of the signal that ended it."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(self._number())
            os.close(self._reply)
        return self.returncode


class Forker:
    """The process that has loaded dsk, and the line to it."""

    def __init__(self) -> None:
        self.env = _read_at_start(dict(os.environ))
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = [sys.executable, str(Path(__file__)), str(theirs.fileno())]
            null = subprocess.DEVNULL
            self._process = subprocess.Popen(words, pass_fds=[theirs.fileno()], cwd="/", stdin=null, stdout=null)

    def can_start(self, env: dict[str, str]) -> bool:
        """Whether this environment is the one that Python and libgit2 started with."""
        return _read_at_start(env) == self.env

    def start(
        self, words: Sequence[str], *, env: dict[str, str], stdout: IO[Any] | int, stderr: IO[Any] | int
    ) -> Running:
        """Run dsk with these words in a session of its own, in the folder /."""
        request = json.dumps({"words": list(words), "env": env}).encode("utf-8")
        ours, theirs = os.pipe()
        numbers = [out if isinstance(out, int) else out.fileno() for out in (stdout, stderr)]
        try:
            socket.send_fds(self._line, [request], [*numbers, theirs])
        finally:
            os.close(theirs)
        return Running(ours)

    def close(self) -> None:
        """End it."""
        self._line.close()
        self._process.wait()


def _load() -> None:
    """Everything of dsk, and what it loads late."""
    import datakit
    import stages

    for package in (datakit, stages):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.startswith("datakit.demo") and not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    for name in _LAZY:
        importlib.import_module(name)
    assert "huggingface_hub" not in sys.modules, "it reads the environment when it is imported"
    gc.collect()
    gc.freeze()


def _serve(line: socket.socket) -> None:
    """Fork for each request; returns only in a process that is to run dsk."""
    while True:
        data, numbers, _, _ = socket.recv_fds(line, _LONGEST, 3)
        if not data:
            os._exit(0)
        if os.fork() == 0:
            line.close()
            stdout, stderr, reply = numbers
            if _is_child(reply):
                _become(json.loads(data), stdout, stderr)
                return
        for number in numbers:
            os.close(number)


def _is_child(reply: int) -> bool:
    """Fork once more: the parent tells the child's number, waits for it and tells how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(reply)
        return True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        os.write(reply, _NUMBER.pack(pid))
        os.write(reply, _NUMBER.pack(os.waitpid(pid, 0)[1]))
    finally:
        os._exit(0)


def _become(request: dict[str, Any], stdout: int, stderr: int) -> None:
    """A process as a shell starts it."""
    os.setsid()
    for number, place in ((stdout, 1), (stderr, 2)):
        os.dup2(number, place)
        os.close(number)
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["dsk", *request["words"]]
    sys.stdout = open(1, "w", encoding=sys.stdout.encoding, buffering=1 if os.isatty(1) else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def _run() -> None:
    """Run the command, and end at once: libraries would wait for threads that a fork does not take along."""
    from datakit.cli.main import main

    code: object = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001  # as Python does
        traceback.print_exc()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _serve(socket.socket(fileno=int(sys.argv[1])))
    _run()
