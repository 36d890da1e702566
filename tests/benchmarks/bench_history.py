"""Operations of a dataset's history at two sizes, against git, git-lfs, dvc and oxen, in one paired run.

    python -m tests.benchmarks.bench_history [--sizes N N] [--rounds N] [--without-dvc] [--with-oxen] [--json FILE]

It makes its own data (JPEG files of 128 x 128 px with a caption each, in 100 folders). In each round every tool does
an operation before any does the next one, the order turning; each has a repository of its own, made anew each round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datakit.cli.main import COMMANDS
from tests.benchmarks import peers, tools
from tests.benchmarks.bench_import import machine, versions
from tests.benchmarks.data import make_ten_more, make_thumbnails
from tests.benchmarks.timing import Cost, cost_of, ratios, spread
from tests.benchmarks.tools import LOOKS, OPERATIONS, Sources, Tool

NUM_LOOKS = 5
"""How often a round repeats what changes nothing, after once unmeasured."""

BYTES_PER_IMAGE = 80_000
FILES_PER_IMAGE = 30
"""What one round needs on disk, of all tools together, in blocks of 4 kB."""

Results = dict[str, dict[str, list[Cost]]]
"""Operation → tool → what each run took."""


def main() -> None:
    """Measure, print Markdown, and optionally write the numbers as JSON."""
    options = _options()
    options.cache.mkdir(parents=True, exist_ok=True)
    work = options.cache / "history"
    shutil.rmtree(work, ignore_errors=True)
    found: dict[int, Results] = {}
    try:
        for size in options.sizes:
            found[size] = _measure(options, size, work / str(size))
        heads = {**machine(options.cache), **versions(options)}
        print("\n".join(_markdown(found, heads)), flush=True)
        if options.json:
            options.json.write_text(json.dumps(_numbers(found, heads), indent=2) + "\n", "utf-8")
    finally:  # after the report: it takes minutes
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_history", description=(__doc__ or "").splitlines()[0])
    sizes = [10_000, 100_000]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes, help="numbers of images (10000 100000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each tool runs through all (default 3)")
    parser.add_argument("--only-import", action="store_true", help="no stages: leave out what needs them")
    parser.add_argument("--without-dsk", action="store_true", help="measure the peers alone")
    parser.add_argument("--without-dvc", action="store_true", help="do not install or run dvc")
    parser.add_argument("--without-peers", action="store_true", help="measure dsk alone")
    parser.add_argument("--with-oxen", action="store_true", help="run oxen too, which must be installed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number here")
    parser.add_argument("--keep", action="store_true", help="leave the repositories there")
    default = Path(tempfile.gettempdir()) / "dsk-benchmark"
    parser.add_argument("--cache", type=Path, default=default, help=f"data and dvc live here ({default})")
    options = parser.parse_args()
    options.without_dvc = options.without_dvc or options.without_peers
    return options


def _tools(options: argparse.Namespace) -> list[Tool]:
    found: list[Tool] = []
    if not options.without_dsk:
        found += [tools.dsk(frozenset(COMMANDS)), tools.git_in_dsk()]
    if not options.without_peers:
        found.append(tools.git(lfs=False))
        if peers.has_git_lfs():
            found.append(tools.git(lfs=True))
    if not options.without_dvc:
        found.append(tools.dvc(options.cache))
    if options.with_oxen:
        if not tools.has_oxen():
            sys.exit("oxen is not installed: https://docs.oxen.ai, or leave --with-oxen out")
        found.append(tools.oxen())
    return found


def _measure(options: argparse.Namespace, size: int, work: Path) -> Results:
    sources = Sources(make_thumbnails(options.cache, size), make_ten_more(options.cache))
    contenders = _tools(options)
    _refuse_full_disk(options.cache, size * options.rounds)
    results: Results = {}
    for number in range(options.rounds):
        turn = number % len(contenders)
        for tool in contenders:
            (work / str(number) / tool.name).mkdir(parents=True)
            tool.prepare(work / str(number) / tool.name)
        for operation in OPERATIONS[: 2 if options.only_import else None]:
            for tool in (*contenders[turn:], *contenders[:turn]):
                if operation in tool.commands:
                    costs = _run(tool, operation, sources, _root(work / str(number), tool))
                    results.setdefault(operation, {}).setdefault(tool.name, []).extend(costs)
                    _tell(size, number, operation, tool.name, costs)
    return results


def _refuse_full_disk(folder: Path, num_images: int) -> None:
    """Nothing is deleted between rounds, see `timing.race`."""
    disk = os.statvfs(folder)
    free, inodes = disk.f_bavail * disk.f_frsize, disk.f_favail if disk.f_files else None
    if free < num_images * BYTES_PER_IMAGE or (inodes is not None and inodes < num_images * FILES_PER_IMAGE):
        sys.exit(
            f"{folder}: {num_images * BYTES_PER_IMAGE / 1e9:.0f} GB and {num_images * FILES_PER_IMAGE:,} files needed; "
            "fewer --rounds or --sizes, or --cache"
        )


def _root(work: Path, tool: Tool) -> Path:
    return work / ("dsk" if tool.name == tools.git_in_dsk().name else tool.name) / "set"


def _run(tool: Tool, operation: str, sources: Sources, root: Path) -> list[Cost]:
    if operation in tool.before:
        tool.before[operation](root)
    commands = tool.commands[operation](sources)
    if operation not in LOOKS:
        os.sync()
        return [cost_of(commands, root, peers.ENVIRONMENT)]
    cost_of(commands, root, peers.ENVIRONMENT)
    return [cost_of(commands, root, peers.ENVIRONMENT) for _ in range(NUM_LOOKS)]


def _tell(size: int, number: int, operation: str, name: str, costs: Sequence[Cost]) -> None:
    seconds = spread([cost.seconds for cost in costs])
    print(f"{size:,} round {number + 1}: {operation}: {name}: {seconds} s", file=sys.stderr, flush=True)


def _markdown(found: dict[int, Results], heads: dict[str, str]) -> list[str]:
    lines = [*(f"- {name}: {value}" for name, value in heads.items()), ""]
    sizes = list(found)
    head = "".join(f" {size:,}: seconds | dsk / this | peak memory |" for size in sizes)
    growth = len(sizes) == 2
    lines += [f"| | |{head}{' growth |' if growth else ''}", "|---|---|" + "---|" * (3 * len(sizes) + growth)]
    for operation in OPERATIONS:
        names = dict.fromkeys(name for results in found.values() for name in results.get(operation, {}))
        for name in names:
            cells = [_cells(found[size].get(operation, {}), name) for size in sizes]
            grown = f" {_growth(found, operation, name)} |" if growth else ""
            lines.append(f"| {operation} | {name} |{''.join(cells)}{grown}")
    return lines


def _cells(costs: dict[str, list[Cost]], name: str) -> str:
    if name not in costs:
        return " – | – | – |"
    seconds = [cost.seconds for cost in costs[name]]
    ratio = "–"
    if name != "dsk" and "dsk" in costs:
        ratio = "{:.2f} ({:.2f} to {:.2f})".format(*ratios([cost.seconds for cost in costs["dsk"]], seconds))
    return f" {spread(seconds)} | {ratio} | {max(cost.peak_bytes for cost in costs[name]) / 1e6:.0f} MB |"


def _growth(found: dict[int, Results], operation: str, name: str) -> str:
    """Median seconds at the larger size over those at the smaller one."""
    small, large = (found[size].get(operation, {}).get(name) for size in sorted(found))
    if not small or not large:
        return "–"
    medians = [statistics.median(cost.seconds for cost in costs) for costs in (small, large)]
    return f"{medians[1] / medians[0]:.1f}"


def _numbers(found: dict[int, Results], heads: dict[str, str]) -> dict[str, Any]:
    sizes = {
        str(size): {
            operation: {
                name: [{"seconds": cost.seconds, "peak_bytes": cost.peak_bytes} for cost in costs]
                for name, costs in by_tool.items()
            }
            for operation, by_tool in results.items()
        }
        for size, results in found.items()
    }
    return {"machine": heads, "sizes": sizes}


if __name__ == "__main__":
    main()
