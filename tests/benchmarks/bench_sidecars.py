"""How much of an import is the reading of metadata: 10,000 small images with a sidecar each.

    python -m tests.benchmarks.bench_sidecars [--files N] [--rounds N]

Beside the whole `dsk import` it times what comes before the first image: the folder is listed, every sidecar is read,
parsed and understood; and the floor under the second (each sidecar opened, read and decoded as JSON, nothing else).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from datakit.sources.folders.walk import open_folder
from datakit.sources.model import read_listing
from datakit.store.collector import without_collector
from tests.benchmarks.data import make_thumbnails
from tests.benchmarks.peers import dsk_command

_WORDS = ("1girl", "solo", "long_hair", "smile", "glasses", "school_uniform", "holding", "sky", "night", ">_<", "^_^")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench_sidecars", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "dsk-benchmark")
    options = parser.parse_args()
    folder = make_scrape(options.cache, options.files)
    rows: dict[str, list[float]] = {"dsk import": [], "listing": [], "parsing": [], "floor of parsing": []}
    with tempfile.TemporaryDirectory(dir=options.cache) as work:
        for number in range(options.rounds):
            for name, seconds in _gather(folder).items():
                rows[name].append(seconds)
            rows["floor of parsing"].append(_seconds(lambda: _decode(folder)))
            place = Path(work) / str(number)
            subprocess.run([*dsk_command(), "init", str(place)], check=True, capture_output=True)
            command = [*dsk_command(), "-C", str(place), "import", str(folder)]
            rows["dsk import"].append(_seconds(partial(subprocess.run, command, check=True, capture_output=True)))
    whole = statistics.median(rows["dsk import"])
    print(f"{options.files:,} images with sidecars, {options.rounds} rounds, median (smallest to largest)\n")
    print("| | seconds | of dsk import |\n|---|---|---|")
    for name, seconds in rows.items():
        middle = statistics.median(seconds)
        print(f"| {name} | {middle:.2f} ({min(seconds):.2f} to {max(seconds):.2f}) | {middle / whole:.0%} |")


def make_scrape(cache: Path, num_files: int) -> Path:
    """The small images with a danbooru sidecar each instead of their captions; made once and reused."""
    folder = cache / f"sidecars-{num_files}-v1"
    if (folder / ".done").exists():
        return folder / "scrape"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(make_thumbnails(cache, num_files), folder / "scrape", ignore=shutil.ignore_patterns("*.txt"))
    for number, image in enumerate(sorted((folder / "scrape").rglob("*.jpg"))):
        image.with_name(f"{image.name}.json").write_text(json.dumps(_post(number), indent=4), "utf-8")
    (folder / ".done").touch()
    return folder / "scrape"


def _post(number: int) -> dict[str, object]:
    """A post with as many keys and tags as sites send."""
    tags = [_WORDS[(number + step) % len(_WORDS)] for step in range(10)] + [
        f"detail_{number % 997 + n}" for n in range(25)
    ]
    return {
        "category": "danbooru",
        "subcategory": "tag",
        "id": number,
        "rating": "gsqe"[number % 4],
        "score": number % 100,
        "fav_count": number % 300,
        "created_at": "2024-01-02T03:04:05.000-05:00",
        "updated_at": "2024-05-02T03:04:05.000-04:00",
        "tag_string": " ".join(tags),
        "tag_string_general": " ".join(tags),
        "tag_string_artist": f"artist_{number % 53}",
        "tag_string_character": f"character_{number % 31}",
        "tag_string_copyright": "series",
        "tag_string_meta": "highres",
        "tags": tags,
        "tags_general": tags,
        "file_ext": "jpg",
        "file_size": 3000,
        "image_width": 128,
        "image_height": 128,
        "source": f"https://example.org/{number}",
        "file_url": f"https://example.org/{number}.jpg",
        "parent_id": None,
        "has_children": False,
        "is_deleted": False,
        "bit_flags": 0,
        "search_tags": "1girl",
        "filename": f"{number:06d}",
        "extension": "jpg",
        "media_asset": {"id": number, "variants": [{"type": name, "width": 1} for name in ("a", "b", "c")]},
    }


def _gather(folder: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch, without_collector():
        began = time.perf_counter()
        opened = open_folder(folder, scratch=Path(scratch))
        listed = time.perf_counter()
        read_listing(opened)
        return {"listing": listed - began, "parsing": time.perf_counter() - listed}


def _decode(folder: Path) -> None:
    for path in folder.rglob("*.json"):
        msgspec.json.decode(path.read_bytes())


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
