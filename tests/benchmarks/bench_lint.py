"""`dsk lint` as a whole process, on a dataset and on a plain folder, beside lora-audit, cleanvision and bare decoding.

    python -m tests.benchmarks.bench_lint [--size N] [--large N] [--pictures N] [--rounds N] [--vocabulary CSV]
                                          [--without-peers] [--json FILE]

It makes its own data: JPEG files of 128 px in 100 folders, each with a caption of 30 tags, drawn from 20,000 names as
unevenly as tags of a booru are; and, for what decoding costs, fewer JPEG files of 1216 px. The peers are installed
apart on the first call. A run that finds errors ends with 1, which counts as done.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.benchmarks import lint_data, peers
from tests.benchmarks.bench_import import machine
from tests.benchmarks.data import make_images
from tests.benchmarks.timing import Cost, cost_of, spread

LORA_AUDIT_VERSION: Final = "0.1.0"
CLEANVISION_VERSION: Final = "0.3.7"
FOUND_ERRORS: Final = 1
_CLEANVISION: Final = """
import sys
from cleanvision import Imagelab
if __name__ == "__main__":
    Imagelab(data_path=sys.argv[1]).find_issues(verbose=False)
"""
_DECODE: Final = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import Image
def decode(path):
    with Image.open(path) as image:
        image.convert("RGB")
with ThreadPoolExecutor(os.cpu_count()) as pool:
    list(pool.map(decode, sorted(Path(sys.argv[1]).rglob("*.jpg"))))
"""
"""Every pixel of every file, on all cores: what a rule about pixels cannot leave out."""

Row = tuple[str, str, int, list[Cost]]
"""What was done, by which tool, to how many images, what each round took."""


@dataclass(frozen=True)
class Run:
    """One thing to measure."""

    what: str
    tool: str
    argv: Sequence[str]
    cwd: Path
    prepare: Callable[[], object] = lambda: None
    """Done before each round, unmeasured."""


def main() -> None:
    """Measure, print Markdown, and optionally write the numbers as JSON."""
    options = _options()
    options.cache.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for size in (options.size, options.large):
        if size:
            rows += _captions(options, size, is_first=size == options.size)
    if options.pictures:
        rows += _pictures(options)
    heads = {**machine(options.cache), "dsk": peers.version_of([*peers.dsk_command(), "--version"])}
    print("\n".join(_markdown(rows, heads)), flush=True)
    if options.json:
        options.json.write_text(json.dumps(_numbers(rows, heads), indent=2) + "\n", "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_lint", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=10_000, help="images with captions, for all that is run (10000)")
    parser.add_argument("--large", type=int, default=100_000, help="images for the second run; 0 for none (100000)")
    parser.add_argument("--pictures", type=int, default=1_000, help="images of 1216 px; 0 for none (1000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (5)")
    parser.add_argument("--vocabulary", type=Path, metavar="CSV", help="list of tags to draw captions from and to know")
    parser.add_argument("--without-peers", action="store_true", help="measure dsk alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number here")
    default = Path(tempfile.gettempdir()) / "dsk-benchmark"
    parser.add_argument("--cache", type=Path, default=default, help=f"data and peers live here ({default})")
    return parser.parse_args()


def _captions(options: argparse.Namespace, size: int, *, is_first: bool) -> list[Row]:
    """Small images with captions: a dataset, and the same files as a plain folder."""
    folder = lint_data.make_folder(options.cache, size, vocabulary=options.vocabulary)
    root = lint_data.make_dataset(options.cache, size, vocabulary=options.vocabulary)
    own, shared = root / ".dsk" / "cache.sqlite", _home(options.cache) / "dsk" / "lint.sqlite"
    lint = [*peers.dsk_command(), "lint", "--json"]
    words = [*lint, "--select", "tags,pairs"]
    warm = partial(_run, lint, root)
    second = Run("all rules, all stages, second run", "dsk", lint, root, warm)
    if not is_first:
        return _race([second], size, options)
    few, some = partial(_forget, own, "lint:%"), partial(_forget, shared, "lint:%")
    edited = Run("all rules, all stages, findings forgotten", "dsk", lint, root, lambda: (warm(), few()))
    runs = [
        Run("tag and pair rules, wip", "dsk", [*words, "wip"], root, few),
        Run("tag and pair rules, folder", "dsk", [*words, str(folder)], options.cache, some),
        Run("all rules, all stages, first run", "dsk", lint, root, partial(_forget, own, "%")),
        edited,
        second,
        Run("all rules, folder, first run", "dsk", [*lint, str(folder)], options.cache, partial(_forget, shared, "%")),
        Run("all rules, folder, second run", "dsk", [*lint, str(folder)], options.cache),
        *_contenders(options, folder),
    ]
    return _race(runs, size, options)


def _pictures(options: argparse.Namespace) -> list[Row]:
    """Images as large as people train with, as a plain folder: what decoding costs."""
    folder = make_images(options.cache, options.pictures)
    lint = [*peers.dsk_command(), "lint", "--json", str(folder)]
    forget = partial(_forget, _home(options.cache) / "dsk" / "lint.sqlite", "%")
    runs = [
        Run("all rules, folder of 1216 px, first run", "dsk", lint, options.cache, forget),
        Run("all rules, folder of 1216 px, second run", "dsk", lint, options.cache),
        *_contenders(options, folder),
    ]
    return _race(runs, options.pictures, options)


def _contenders(options: argparse.Namespace, folder: Path) -> list[Run]:
    """Others on the same folder; lora-audit looks at headers and captions, cleanvision at pixels alone."""
    floor = Run("decode every pixel", "Pillow", [sys.executable, "-c", _DECODE, str(folder)], options.cache)
    if options.without_peers:
        return [floor]
    audit = _installed(options.cache, "lora-audit", version=LORA_AUDIT_VERSION)
    vision = _installed(options.cache, "cleanvision", version=CLEANVISION_VERSION)
    script = options.cache / "run_cleanvision.py"
    script.write_text(_CLEANVISION, "utf-8")
    scan = [str(audit / "lora-audit"), "scan", str(folder), "-q", "-o", str(options.cache / "lora-audit.html")]
    find = [str(vision / "python"), str(script), str(folder)]
    return [
        Run("scan", f"lora-audit {LORA_AUDIT_VERSION}", scan, options.cache),
        Run("find_issues", f"cleanvision {CLEANVISION_VERSION}", find, options.cache),
        floor,
    ]


def _race(runs: Sequence[Run], size: int, options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = [(run.what, run.tool, size, []) for run in runs]
    environment = {**peers.ENVIRONMENT, "XDG_CACHE_HOME": str(_home(options.cache))}
    os.environ.update(environment)
    for number in range(options.rounds):
        for run, (_, _, _, costs) in zip(runs, rows, strict=True):
            run.prepare()
            costs.append(cost_of([_tolerant(run.argv)], run.cwd, environment))
            took = f"{costs[-1].seconds:.2f} s, of a processor {costs[-1].cpu_seconds:.2f} s"
            told = f"{size:,} round {number + 1}: {run.what}: {run.tool}: {took}"
            print(told, file=sys.stderr, flush=True)
    return rows


def _run(argv: Sequence[str], cwd: Path) -> None:
    peers.call(_tolerant(argv), cwd)


def _tolerant(argv: Sequence[str]) -> list[str]:
    return ["sh", "-c", f"{shlex.join(argv)} || [ $? = {FOUND_ERRORS} ]"]


def _home(cache: Path) -> Path:
    """Where dsk keeps what belongs to no dataset, so that nobody's own is touched."""
    return cache / "home"


def _forget(memo: Path, pattern: str) -> None:
    """Take away what dsk remembers under such names: `%` for all of it, as in a fresh clone."""
    if memo.exists():
        with contextlib.closing(sqlite3.connect(memo)) as connection:
            connection.execute("DELETE FROM memo WHERE key LIKE ?", [pattern])
            connection.commit()


def _installed(cache: Path, package: str, *, version: str) -> Path:
    """The `bin` of an environment of its own with the package, installed on the first call."""
    home = cache / f"{package}-{version}"
    done = home / ".done"
    if not done.exists():
        peers.call([sys.executable, "-m", "venv", "--clear", str(home)], cache)
        peers.call([str(home / "bin" / "pip"), "install", "-q", f"{package}=={version}"], cache)
        done.touch()
    return home / "bin"


def _markdown(rows: Sequence[Row], heads: dict[str, str]) -> list[str]:
    lines = [*(f"- {name}: {value}" for name, value in heads.items()), ""]
    lines += ["| images | | | seconds | of a processor | images / s | peak memory |", "|---|---|---|---|---|---|---|"]
    for what, tool, size, costs in rows:
        seconds = sorted(cost.seconds for cost in costs)
        pace = size / seconds[len(seconds) // 2]
        peak = max(cost.peak_bytes for cost in costs) / 1e6
        cpu = spread(sorted(cost.cpu_seconds for cost in costs))
        lines.append(f"| {size:,} | {what} | {tool} | {spread(seconds)} | {cpu} | {pace:,.0f} | {peak:.0f} MB |")
    return lines


def _numbers(rows: Sequence[Row], heads: dict[str, str]) -> dict[str, object]:
    return {
        "machine": heads,
        "runs": [
            {
                "what": what,
                "tool": tool,
                "images": size,
                "seconds": [cost.seconds for cost in costs],
                "cpu_seconds": [cost.cpu_seconds for cost in costs],
            }
            for what, tool, size, costs in rows
        ],
    }


if __name__ == "__main__":
    main()
