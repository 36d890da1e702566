"""Paired timing: every contender once per round, in turn, so that what slows the machine slows all of them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Contender:
    """One way to do the measured thing."""

    name: str
    command: str
    """As a person would type it."""
    prepare: Callable[[Path], None]
    """Makes the empty repository in the given folder; not measured."""
    run: Callable[[Path], None]
    """The measured part."""


@dataclass
class Series:
    """Seconds of one contender, a number per round."""

    command: str
    seconds: list[float] = field(default_factory=list)
    until_on_disk: list[float] = field(default_factory=list)
    """The same and a `sync` after it: what a program that does not sync leaves to others."""


@dataclass(frozen=True)
class Cost:
    """What some commands took, one after the other."""

    seconds: float
    peak_bytes: int
    """Largest resident memory of any one process of theirs."""
    cpu_seconds: float
    """Processor time of all their processes, which other programs beside them change less than the time on the wall."""


_STOPWATCH = """
import json, os, sys, time
peak, cpu, start = 0, 0.0, time.perf_counter()
for argv in json.loads(sys.argv[1]):
    child = os.posix_spawnp(argv[0], argv, os.environ)
    _, status, usage = os.wait4(child, 0)
    peak, cpu = max(peak, usage.ru_maxrss), cpu + usage.ru_utime + usage.ru_stime
    if status:
        sys.exit(f"{' '.join(argv)} ended with {os.waitstatus_to_exitcode(status)}")
json.dump([time.perf_counter() - start, peak, cpu], open(sys.argv[2], "w"))
"""
"""A process of its own, since a child's peak begins with the memory of the process that started it."""


def cost_of(commands: Iterable[Sequence[str]], cwd: Path, environment: Mapping[str, str]) -> Cost:
    """Run commands quietly, one after the other.

    Raises:
        RuntimeError: one failed; holds what it said.
    """
    with tempfile.NamedTemporaryFile() as found:
        argv = [sys.executable, "-I", "-S", "-c", _STOPWATCH, json.dumps(list(commands)), found.name]
        done = subprocess.run(argv, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{done.stdout}{done.stderr}")
        seconds, peak, cpu = json.loads(Path(found.name).read_text("utf-8"))
    return Cost(seconds, peak * (1 if sys.platform == "darwin" else 1024), cpu)


def race(contenders: Sequence[Contender], work: Path, *, rounds: int) -> dict[str, Series]:
    """Run all contenders `rounds` times, each in a folder of its own (`work/<round>/<name>`) after a sync.

    The order is turned by one each round. Nothing is deleted in between: ext4 avoids inodes that were freed in the
    last half minute, so creating files soon after deleting many costs several times as much, whoever does it.
    """
    results = {contender.name: Series(contender.command) for contender in contenders}
    for number in range(rounds):
        turn = number % len(contenders)
        for contender in (*contenders[turn:], *contenders[:turn]):
            folder = work / str(number) / contender.name
            folder.mkdir(parents=True)
            contender.prepare(folder)
            os.sync()
            start = time.perf_counter()
            contender.run(folder)
            done = time.perf_counter()
            os.sync()
            results[contender.name].seconds.append(done - start)
            results[contender.name].until_on_disk.append(time.perf_counter() - start)
    return results


def repeat(commands: Mapping[str, Sequence[str]], *, rounds: int, cwd: Path | None = None) -> dict[str, Series]:
    """Run short commands in turn, once unmeasured and then `rounds` times, with their output thrown away."""
    results = {name: Series(" ".join(argv)) for name, argv in commands.items()}
    for number in range(-1, rounds):
        for name, argv in commands.items():
            start = time.perf_counter()
            subprocess.run(argv, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
            if number >= 0:
                results[name].seconds.append(time.perf_counter() - start)
    return results


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Median, smallest and largest of ours / theirs, pair by pair."""
    pairs = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return statistics.median(pairs), min(pairs), max(pairs)


def spread(seconds: Sequence[float]) -> str:
    """`median (min to max)`, in seconds."""
    digits = 2 if statistics.median(seconds) >= 1 else 3
    middle, low, high = (f"{value:.{digits}f}" for value in (statistics.median(seconds), min(seconds), max(seconds)))
    return f"{middle} ({low} to {high})"
