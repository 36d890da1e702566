"""`dsk find` over many captions, as a whole process, beside `grep -rl` over the same files.

    python -m tests.benchmarks.bench_find [--size N] [--rounds N] [--keep-index]

It makes a dataset once: one image of a few bytes, one record and one caption an item, in 100 folders; 30 tags each,
drawn from 20,000 names as unevenly as tags of a booru are.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from datakit.actions.project import open_project
from datakit.actions.starting import start_dataset
from datakit.model.record import Record, encode_json
from datakit.repo.operations.transaction import session
from tests.benchmarks.peers import ENVIRONMENT
from tests.benchmarks.timing import repeat, spread

SEED: Final = 7
VERSION: Final = 2
NUM_FOLDERS: Final = 100
NUM_NAMES: Final = 20_000
TAGS_EACH: Final = 30
RATINGS: Final = ("general", "sensitive", "questionable", "explicit")
QUERIES: Final = {
    "one tag": "tag:tag_5",
    "a rare tag": "tag:tag_15000",
    "the issue's": "tag:tag_5 -tag:tag_2 rating:g,s width>=1024 concept:concept_01*",
    "a wildcard": "tag:tag_77*",
    "a regular expression": "tag:/_7+$/",
    "a date": "date>=2023-06-01 score:10..50",
    "text": 'caption:"tag 5, "',
    "everything": "",
}


def main() -> None:
    """Measure and print Markdown."""
    options = _options()
    root = _make(options.cache, options.size)
    environment = {**os.environ, **ENVIRONMENT}
    os.environ.update(environment)
    dsk = [sys.executable, "-m", "datakit", "-C", str(root)]
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    shutil.rmtree(root / ".dsk/find", ignore_errors=True)
    start = time.perf_counter()
    subprocess.run([*dsk, "find", "--count", "tag:tag_5"], check=True, stdout=subprocess.DEVNULL)
    print(f"first index of {options.size:,} captions: {time.perf_counter() - start:.1f} s")
    commands = {name: [*dsk, "find", "--count", query] for name, query in QUERIES.items()}
    commands["grep -rl"] = ["grep", "-rlF", "--include=*.txt", "tag 5,", str(root / "wip")]
    commands["dsk --version"] = [*dsk, "--version"]
    commands["import pygit2"] = [sys.executable, "-c", "import pygit2"]
    print("| | seconds |\n|---|---|")
    for name, series in repeat(commands, rounds=options.rounds).items():
        print(f"| {name} | {spread(series.seconds)} |")
    _after_edits(root, dsk)


def _after_edits(root: Path, dsk: list[str]) -> None:
    """What it costs to find right after captions were edited by hand, and after an operation that commits them."""
    paths = sorted((root / "wip").rglob("*.txt"))[::1000]
    before = {path: path.read_text("utf-8") for path in paths}
    stamp = time.time_ns()
    for path, text in before.items():
        path.write_text(f"{text}, new{stamp}", "utf-8")
    for what, prepare in (("by hand", None), ("and committed", root), ("again", None)):
        if prepare is not None:
            with session(open_project(prepare).dataset):
                pass
        start = time.perf_counter()
        done = subprocess.run([*dsk, "find", "--count", f"new{stamp}"], check=True, capture_output=True, text=True)
        print(f"{len(paths)} captions edited {what}: {time.perf_counter() - start:.2f} s, found {done.stdout.strip()}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_find", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=100_000, help="number of captions (100000)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each query is run (7)")
    default = Path(tempfile.gettempdir()) / "dsk-benchmark"
    parser.add_argument("--cache", type=Path, default=default, help=f"the dataset lives here ({default})")
    return parser.parse_args()


def _make(cache: Path, size: int) -> Path:
    """The dataset, made once and reused."""
    folder = cache / f"find-{size}-v{VERSION}"
    if (folder / ".done").exists():
        return folder / "set"
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.update(ENVIRONMENT)
    root = start_dataset(folder / "set")
    draw = random.Random(SEED)
    ranks = range(1, NUM_NAMES + 1)
    weights = list(itertools.accumulate(1 / rank for rank in ranks))
    for number in range(size):
        tags = dict.fromkeys(f"tag_{rank}" for rank in draw.choices(ranks, cum_weights=weights, k=TAGS_EACH))
        _write(root, number, list(tags), draw)
    with session(open_project(root).dataset):
        pass
    (folder / ".done").touch()
    return root


def _write(root: Path, number: int, tags: list[str], draw: random.Random) -> None:
    place = f"concept_{number % NUM_FOLDERS:03d}/{number:06d}"
    image = _tiny_png(number)
    for stage in ("raw", "wip"):
        path = root / stage / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
    record = Record(
        sha256=f"{number:064x}",
        size_bytes=len(image),
        original=f"{number}.png",
        imported_at="2024-05-06T07:08:09Z",
        format="png",
        size_px=(512 + number * 37 % 1024, 512 + number * 91 % 1024),
        site="danbooru",
        post_id=str(number),
        rating=RATINGS[number % 4],
        score=draw.randrange(100),
        created_at=f"20{draw.randrange(10, 25)}-0{draw.randrange(1, 10)}-11T01:02:03Z",
        tags={"general": tuple(tags)},
        upstream={"tag_string": " ".join(tags), "id": number, "source": "https://example.org/" * 20},
    )
    (root / "raw" / f"{place}.json").write_bytes(encode_json(record))
    (root / "wip" / f"{place}.txt").write_text(", ".join(tag.replace("_", " ") for tag in tags), "utf-8")


def _tiny_png(number: int) -> bytes:
    """One pixel of its own, in more bytes than a pointer has: smaller files are looked into by every operation."""
    pixel = zlib.compress(b"\0" + number.to_bytes(4, "big")[1:])
    size = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    padding = b"Comment\0" + b"x" * 300
    chunks = _chunks((b"IHDR", size), (b"tEXt", padding), (b"IDAT", pixel), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunks(*chunks: tuple[bytes, bytes]) -> Iterator[bytes]:
    for kind, data in chunks:
        yield len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


if __name__ == "__main__":
    main()
