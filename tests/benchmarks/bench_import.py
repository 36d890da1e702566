"""Import speed against git-lfs and dvc, start-up time, and `dsk status`, in one paired run.

    python -m tests.benchmarks.bench_import [--files N] [--rounds N] [--without-dvc] [--json FILE]

It makes its own data (1,000 JPEG files of 1216 x 1216 px, about 430 MB, with 1,000 captions) and, unless left
out, installs dvc into an environment of its own. Both stay in the cache folder for the next run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks import peers
from tests.benchmarks.data import make_images, total_bytes
from tests.benchmarks.timing import Contender, Series, race, ratios, repeat, spread

NUM_STARTS = 20


def main() -> None:
    """Measure, print Markdown, and optionally write the numbers as JSON."""
    options = _options()
    cache: Path = options.cache
    cache.mkdir(parents=True, exist_ok=True)
    if options.clean:
        shutil.rmtree(cache)
        return
    work = cache / "runs"
    try:
        report = _measure(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(_markdown(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2, default=asdict) + "\n", "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_import", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=1000, help="how many images (default 1000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default 3)")
    parser.add_argument("--without-dsk", action="store_true", help="measure the peers alone")
    parser.add_argument("--without-dvc", action="store_true", help="do not install or run dvc")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number here")
    default = Path(tempfile.gettempdir()) / "dsk-benchmark"
    parser.add_argument("--cache", type=Path, default=default, help=f"data and dvc live here ({default})")
    parser.add_argument("--clean", action="store_true", help="only remove the cache folder")
    return parser.parse_args()


def _measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    source = make_images(options.cache, options.files)
    contenders = _contenders(options, source)
    _refuse_full_disk(work, needed=2.2 * total_bytes(source) * options.rounds * len(contenders))
    report: dict[str, Any] = {
        "data": {"images": options.files, "bytes": total_bytes(source)},
        "machine": machine(options.cache),
        "versions": versions(options),
        "import": race(contenders, work, rounds=options.rounds),
    }
    if not options.without_dsk:
        starts = {"dsk --help": [*peers.dsk_command(), "--help"], "python -c pass": [sys.executable, "-c", "pass"]}
        report["start"] = repeat(starts, rounds=NUM_STARTS)
        looks = {"dsk status": [*peers.dsk_command(), "status"], "git status": ["git", "status"]}
        report["status"] = repeat(looks, rounds=NUM_STARTS, cwd=work / "0" / "dsk" / "set")
    return report


def _refuse_full_disk(work: Path, *, needed: float) -> None:
    work.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(work).free
    if free < needed:
        sys.exit(
            f"{work}: {needed / 1e9:.0f} GB needed, {free / 1e9:.0f} GB free; fewer --rounds or --files, or --cache"
        )


def _contenders(options: argparse.Namespace, source: Path) -> list[Contender]:
    contenders = []
    if not options.without_dsk:
        contenders.append(peers.dsk(source))
    if peers.has_git_lfs():
        contenders.append(peers.git_lfs(source))
    if not options.without_dvc:
        contenders.append(peers.dvc(source, options.cache))
    return [*contenders, peers.floor(source)]


def machine(folder: Path) -> dict[str, str]:
    """Processor, file system and operating system."""
    return {
        "cpu": f"{os.cpu_count()} cores, {_cpu()}",
        "file system": _file_system(folder),
        "system": platform.platform(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _file_system(folder: Path) -> str:
    """Type of the file system that holds `folder`, as GNU stat or BSD df name it."""
    for argv in (["stat", "-f", "-c", "%T", str(folder)], ["df", str(folder)]):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip().splitlines()[-1]
    return "unknown"


def versions(options: argparse.Namespace) -> dict[str, str]:
    """Versions of the programs that take part."""
    versions = {
        "python": platform.python_version(),
        "git": peers.version_of(["git", "--version"]),
        "git-lfs": peers.version_of(["git-lfs", "--version"]),
    }
    if not options.without_dsk:
        versions["dsk"] = peers.version_of([*peers.dsk_command(), "--version"])
    if not options.without_dvc:
        versions["dvc"] = peers.version_of([str(peers.dvc_program(options.cache)), "--version"])
    return versions


def _markdown(report: dict[str, Any]) -> str:
    data = report["data"]
    lines = [
        f"{data['images']:,} JPEG files and as many captions, {data['bytes'] / 1e6:.0f} MB; sources in the page "
        "cache (warm), `sync` before each run; every contender once per round, the order turning.",
        "",
        *(f"- {name}: {value}" for name, value in {**report["machine"], **report["versions"]}.items()),
        "",
        *_table(report["import"], "dsk", on_disk=True),
    ]
    for part, ours in (("start", "dsk --help"), ("status", "dsk status")):
        if part in report:
            lines += ["", *_table(report[part], ours, on_disk=False)]
    return "\n".join(lines)


def _table(results: dict[str, Series], ours: str, *, on_disk: bool) -> list[str]:
    """Seconds as median (min to max); ratios are taken pair by pair."""
    more = " and a sync after it, s |" if on_disk else ""
    lines = [f"| | command | n | seconds |{more} {ours} / this |", "|---|---|---|---|" + "---|" * (1 + on_disk)]
    for name, series in results.items():
        ratio = "–"
        if ours in results and name != ours:
            ratio = "{:.2f} ({:.2f} to {:.2f})".format(*ratios(results[ours].seconds, series.seconds))
        disk = f" {spread(series.until_on_disk)} |" if on_disk else ""
        cells = f"| {name} | `{series.command}` | {len(series.seconds)} | {spread(series.seconds)} |"
        lines.append(f"{cells}{disk} {ratio} |")
    return lines


if __name__ == "__main__":
    main()
