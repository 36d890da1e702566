"""Loading a vocabulary: compiled anew, from its compiled form, and by a plain csv.reader beside it.

    python -m tests.benchmarks.bench_vocabulary [--tags FILE] [--rounds N]

Each number is of a process of its own, whose start is not counted but for whole commands. The compiled form is in the
system's cache of files.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from datakit.actions.starting import start_dataset
from tests.benchmarks.timing import spread

ROOT = Path(__file__).parents[2]
TAGS = ROOT.parent / "shared" / "data" / "danbooru.csv"
LOAD = """
import sys, time
from pathlib import Path
from datakit.repo.vocabularies import VocabSettings, load_vocabulary
root, settings = Path(sys.argv[1]), VocabSettings(tags=(sys.argv[2],))
start = time.perf_counter()
known = load_vocabulary(root, root / ".dsk", settings)
loaded = time.perf_counter() - start
found = known.category("1girl")
print(loaded, time.perf_counter() - start)
"""
PLAIN = """
import csv, sys, time
start = time.perf_counter()
with open(sys.argv[2], encoding="utf-8", newline="") as file:
    rows = {row[0]: row for row in csv.reader(file)}
print(time.perf_counter() - start, time.perf_counter() - start)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tags", type=Path, default=TAGS, help="a list of tags in tag-complete's format")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if not options.tags.is_file():
        sys.exit(f"no tag list at {options.tags}; name one with --tags")
    with tempfile.TemporaryDirectory() as folder:
        root = start_dataset(Path(folder) / "set")
        (root / "dsk.toml").write_text(f"[vocab]\ntags = ['{options.tags.absolute()}']\n")
        _measure(root, options.tags.absolute(), options.rounds)


def _measure(root: Path, tags: Path, rounds: int) -> None:
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        (root / ".dsk" / "vocabulary.bin").unlink(missing_ok=True)
        for name, code in (("compiled anew", LOAD), ("from its compiled form", LOAD), ("csv.reader", PLAIN)):
            done = _run(["-c", code, str(root), str(tags)])
            loaded, ready = map(float, done.split())
            found.setdefault(name, []).append(loaded)
            if code is LOAD:
                found.setdefault(f"{name}, and one category asked", []).append(ready)
        start = time.perf_counter()
        _run(["-m", "datakit", "-C", str(root), "vocab", "1girl"])
        found.setdefault("dsk vocab 1girl, the whole command", []).append(time.perf_counter() - start)
    for name, seconds in found.items():
        print(f"{name:<52} {spread(seconds)} s")


def _run(words: list[str]) -> str:
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    main()
