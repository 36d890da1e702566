"""`dsk export` of many items into a folder elsewhere, as a whole process: the first time, again, after one edit.

    python -m tests.benchmarks.bench_export [--size N] [--rounds N] [--profile]

It makes a dataset once, by import and advance: images of 260 px and records with tags, in 100 concepts.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.exporting.elsewhere import Target, export_elsewhere
from datakit.actions.importing import import_folder
from datakit.actions.project import open_project
from datakit.actions.starting import start_dataset
from tests.benchmarks.peers import ENVIRONMENT
from tests.benchmarks.timing import spread

VERSION: Final = 1
NUM_CONCEPTS: Final = 100
FORMAT: Final = "kohya"


def main() -> None:
    """Measure and print Markdown."""
    options = _options()
    os.environ.update(ENVIRONMENT)
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    root = _make(options.cache, options.size)
    folder = root.parent / "out"
    rows: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for name, seconds in _round(root, folder).items():
            rows.setdefault(name, []).append(seconds)
    print(f"{options.size:,} items, {options.rounds} rounds\n\n| | seconds |\n|---|---|")
    for name, series in rows.items():
        print(f"| {name} | {spread(series)} |")
    if options.profile:
        _profile(root, folder)


def _round(root: Path, folder: Path) -> dict[str, float]:
    shutil.rmtree(folder, ignore_errors=True)
    to = ["--to", str(folder)]
    found = {"first, linked": _export(root, *to)}
    before = _bytes_of(folder)
    found["again, nothing changed"] = _export(root, *to)
    assert _bytes_of(folder) == before, "a second export wrote something"
    found["--check"] = _export(root, "--check", *to)
    found["--dry-run"] = _export(root, "--dry-run", *to)
    caption = next(iter(sorted((root / "wip").rglob("*.txt"))))
    caption.write_text(f"1girl, edit {time.time_ns()}", "utf-8")
    found["one caption changed"] = _export(root, *to)
    found["into the dataset, one caption changed"] = _export(root)
    found["into the dataset again"] = _export(root)
    return found


def _export(root: Path, *words: str) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "datakit", "-C", str(root), "export", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def _bytes_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Path → (inode, time): what a file that is written again cannot keep."""
    found = {}
    for path in folder.rglob("*"):
        stat = path.stat()
        if path.is_file():
            found[str(path)] = (stat.st_ino, stat.st_mtime_ns)
    return found


def _profile(root: Path, folder: Path) -> None:
    """Where the time of an export with one changed caption goes, and of one with none."""
    caption = next(iter(sorted((root / "wip").rglob("*.txt"))))
    for what in ("one caption changed", "nothing changed"):
        if what.startswith("one"):
            caption.write_text(f"1girl, edit {time.time_ns()}", "utf-8")
        profile = cProfile.Profile()
        profile.enable()
        export_elsewhere(open_project(root), FORMAT, Target(folder=folder))
        profile.disable()
        print(f"\n{what}:")
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_export", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=10_000, help="number of items (10000)")
    parser.add_argument("--rounds", type=int, default=5, help="how often all is measured (5)")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    default = Path(tempfile.gettempdir()) / "dsk-benchmark"
    parser.add_argument("--cache", type=Path, default=default, help=f"the dataset lives here ({default})")
    return parser.parse_args()


def _make(cache: Path, size: int) -> Path:
    """The dataset, made once and reused."""
    folder = cache / f"export-{size}-v{VERSION}"
    if (folder / ".done").exists():
        return folder / "set"
    shutil.rmtree(folder, ignore_errors=True)
    for number in range(size):
        _write(folder / "scrape" / "danbooru", number)
    project = open_project(start_dataset(folder / "set"))
    import_folder(project, folder / "scrape")
    advance(open_project(project.dataset.root))
    shutil.rmtree(folder / "scrape")
    (folder / ".done").touch()
    return folder / "set"


def _write(folder: Path, number: int) -> None:
    concept = f"concept_{number % NUM_CONCEPTS:03d}"
    path = folder / concept / f"danbooru_{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (260, 256), (number % 256, number // 256 % 256, number // 65536)).save(path)
    post = {
        "category": "danbooru",
        "id": number + 1,
        "rating": "s",
        "tag_string_character": concept,
        "tag_string_general": "1girl blue_hair ^_^ looking_at_viewer smile solo long_hair",
        "tag_string_artist": "me",
    }
    path.with_name(f"{path.name}.json").write_text(json.dumps(post), "utf-8")


if __name__ == "__main__":
    main()
