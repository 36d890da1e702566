"""Starts a run as several processes, by `accelerate launch`, and ends as the run does.

accelerate's launcher alone would end with 1 however the run ended, show a traceback for each mistake in a config, and
kill, half a minute after Ctrl-C, who is still saving. So the processes run `main` below: it tells how it ended in a
file of its own, and to the launcher that all is well. Signals go from here to each process. accelerate's launcher
itself runs in a process of its own, `accelerate` below, where it may complain of killed ones unheard.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from trainer.errors import InterruptedRun, LostProcessError, MissingExtraError

FOLDER = "TRAINER_PROCESSES"
"""Environment variable: the folder in which processes and launcher meet."""
LAUNCHER = "TRAINER_LAUNCHER"
"""Environment variable: the process that watches over them."""
_GRACE_S = 15.0
"""After one has failed the others get so long to notice by themselves, and then end, whatever they wait for."""
_LOOK_S = 0.2
_HEARD = (signal.SIGINT, signal.SIGTERM)
_NEEDED = ("torch", "accelerate")
_PROGRAM = "from trainer.launching import accelerate; accelerate()"


@dataclass(frozen=True)
class End:
    """How a process ended."""

    code: int
    said: str = ""
    """What it had to say on stderr, if it was not the first one, whose words are heard as they come."""


def launch(arguments: Sequence[str], count: int) -> int:
    """Runs `python -m trainer ARGUMENTS` as `count` processes; the exit code is that of the first one.

    Where another failed before, it is that one's. SIGINT and SIGTERM are passed on. Raises MissingExtraError.
    """
    for name in _NEEDED:
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(
                f"several processes need {name}, which is not installed", hint="pip install 'dsk[train]'"
            )
    with tempfile.TemporaryDirectory(prefix="trainer-") as name, _signals() as heard:
        folder = Path(name)
        settings = folder / "accelerate.json"
        settings.write_text(json.dumps(_settings(count)))
        # A session of its own: Ctrl-C in a terminal comes here alone, and is passed on from here.
        started = subprocess.Popen(
            command(arguments, settings), env=environment(os.environ, folder, count=count), start_new_session=True
        )
        # Who outlives accelerate's launcher goes on to its end.
        was_asked = False
        while started.poll() is None or _left(folder):
            time.sleep(_LOOK_S)
            was_asked |= bool(heard)
            if heard and len(_running(folder)) == count:
                _pass_on(heard.pop(0), folder)
        return _verdict(folder, count, was_asked=was_asked)


def command(arguments: Sequence[str], settings: Path) -> list[str]:
    """The command line of accelerate's launcher, whose settings stand in a file, so that it looks for no other."""
    launcher = [sys.executable, "-c", _PROGRAM, "--config_file", str(settings)]
    return [*launcher, "--module", "trainer.launching", *arguments]


def accelerate() -> NoReturn:
    """`accelerate launch` with this process' arguments; that one of its processes was killed is told elsewhere."""
    from accelerate.commands.launch import main as start
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.ERROR)
    try:
        start()
    except ChildFailedError:
        sys.exit(1)
    sys.exit(0)


def environment(own: Mapping[str, str], folder: Path, *, count: int) -> dict[str, str]:
    """Our environment without what accelerate reads there, and with what the processes need."""
    kept = {name: value for name, value in own.items() if not name.startswith(("ACCELERATE_", "FSDP_"))}
    kept.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    return kept | {FOLDER: str(folder), LAUNCHER: str(os.getpid())}


def main() -> NoReturn:
    """One of the processes: the trainer's commands, and how they ended."""
    folder, rank = Path(os.environ[FOLDER]), int(os.environ["RANK"])
    for number in _HEARD:
        signal.signal(number, _stop_at_once)
    (folder / f"{rank}.running").write_text(str(os.getpid()))
    threading.Thread(target=_watch, args=(folder, rank), daemon=True).start()
    end = End(InterruptedRun.exit_code)
    with contextlib.suppress(KeyboardInterrupt):  # in its last moments
        end = _run(is_main=rank == 0)
    _hear_no_more()
    _leave(folder, rank, end)


def _settings(count: int) -> dict[str, object]:
    """What accelerate would ask for. MULTI_GPU makes it start them; on which device they run, they decide."""
    return {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU",
        "num_processes": count,
        "num_machines": 1,
        "machine_rank": 0,
        "main_process_port": 0,
        "gpu_ids": "all",
        "mixed_precision": "no",
        "downcast_bf16": "no",
        "use_cpu": False,
        "debug": False,
    }


def _run(*, is_main: bool) -> End:
    """The trainer's CLI with this process' arguments. Only the first process is seen; the others' words are kept."""
    from trainer import cli

    said = io.StringIO()
    with contextlib.ExitStack() as stack:
        if not is_main:
            stack.enter_context(contextlib.redirect_stderr(said))
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(Path(os.devnull).open("w"))))
        try:
            cli.main()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except KeyboardInterrupt:
            code = InterruptedRun.exit_code
        except BaseException:  # noqa: BLE001 - told, where it would be told twice or not at all
            traceback.print_exc()
            code = 1
    return End(code, said.getvalue())


def _leave(folder: Path, rank: int, end: End) -> NoReturn:
    """Tells how it ended and goes at once: libraries that wait for lost processes at exit would wait long."""
    for told in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # whoever read our output may be gone
            told.flush()
    whole = folder / f"{rank}.ending"
    with contextlib.suppress(OSError):  # so may the launcher, with its folder
        whole.write_text(json.dumps(asdict(end)))
        whole.rename(folder / f"{rank}.ended")
    os._exit(0)


def _watch(folder: Path, rank: int) -> None:
    """Ends this process where another has failed; stops it, as Ctrl-C would, where the launcher is gone."""
    launcher, is_alone, failed_s = int(os.environ[LAUNCHER]), False, 0.0
    while failed_s < _GRACE_S:
        time.sleep(_LOOK_S)
        if not is_alone and not _is_alive(launcher):
            is_alone = True
            os.kill(os.getpid(), signal.SIGTERM)
        if any(end.code not in (0, InterruptedRun.exit_code) for end in _ends(folder).values()):
            failed_s += _LOOK_S
    _leave(folder, rank, End(LostProcessError.exit_code))


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":  # where there is no asking without ending it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):  # where there is no /proc, nobody is taken for dead too early
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _ends(folder: Path) -> dict[int, End]:
    """How those ended that did, by rank."""
    return {int(path.stem): End(**json.loads(path.read_text())) for path in sorted(folder.glob("*.ended"))}


def _running(folder: Path) -> dict[int, int]:
    """Process ids of those that have begun, by rank."""
    texts = {int(path.stem): path.read_text() for path in folder.glob("*.running")}
    return {rank: int(text) for rank, text in texts.items() if text}


def _left(folder: Path) -> list[int]:
    """Process ids of those that have begun and not ended."""
    running, ended = _running(folder), _ends(folder)
    return [process for rank, process in running.items() if rank not in ended and _is_alive(process)]


def _pass_on(number: int, folder: Path) -> None:
    for process in _left(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def _verdict(folder: Path, count: int, *, was_asked: bool) -> int:
    """The exit code, and aloud what nobody has heard yet."""
    ends = _ends(folder)
    lost = [str(rank) for rank in range(count) if rank not in ends]
    if lost and not was_asked:
        # It was accelerate's launcher that stopped the others, before they missed who is lost.
        stopped = {rank: end for rank, end in ends.items() if end.code == InterruptedRun.exit_code}
        ends |= {rank: replace(end, code=LostProcessError.exit_code) for rank, end in stopped.items()}
    if lost:
        click.echo(f"error: process {', '.join(lost)} of {count} was killed, or never began", err=True)
        click.echo("hint: the system kills who takes too much memory; the last checkpoint is unharmed", err=True)
    first = ends.get(0, End(LostProcessError.exit_code))
    causes = [end for end in ends.values() if end.code not in (0, LostProcessError.exit_code)]
    if first.code not in (0, LostProcessError.exit_code) or not causes:
        return first.code or (LostProcessError.exit_code if lost else 0)
    click.echo(causes[0].said.rstrip(), err=True)
    return causes[0].code


def _stop_at_once(number: int, frame: FrameType | None) -> None:
    _hear_no_more()
    raise KeyboardInterrupt


def _hear_no_more() -> None:
    for number in _HEARD:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The signals that came and are still to be passed on."""
    heard: list[int] = []
    before = {number: signal.getsignal(number) for number in _HEARD}
    for number in _HEARD:
        signal.signal(number, lambda number, frame: heard.append(number))
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main()
