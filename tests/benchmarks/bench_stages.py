"""Each stage on 1,000 images of 1216 x 1216 px, as a whole cold command, beside its floor.

    python -m tests.benchmarks.bench_stages [--size N] [--rounds N] [--only WORD] [--json FILE]

The floor is what the stage cannot leave out: Pillow reading and decoding the same files with a thread for each core,
and where it writes images, also what it does to them, encoded as the stage encodes. Captioned, cleaned and export look
at no pixel, so that their ratio says how little they take beside it. Stages run with nothing remembered; dsk's times
include its start, its commits, and the syncs. CPU seconds are those of all threads and processes: on a machine that is
busy with something else they tell more than the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from stages.filters.model import FILTERS
from tests.benchmarks.peers import ENVIRONMENT, call, dsk_command
from tests.benchmarks.stage_images import make_stage_images

BAR: Final = 1.3
SIZE: Final = 1000
MODELS: Final = frozenset({"not-drawn", "explicit-looking", "text"})
"""Rules that run a model, whose floor is not decoding."""
LIMIT: Final = '[edited]\n[[edited.steps]]\ndo = "limit"\narea_px = 1048576\n'
_FLOOR: Final = """
import io, os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import Image
encodes, folder = sys.argv[1] == "encode", Path(sys.argv[2])
def work(path):
    image = Image.open(path)
    image.load()
    if encodes:
        if image.mode == "RGBA":
            sheet = Image.new("RGB", image.size, "white")
            sheet.paste(image, mask=image.getchannel("A"))
            image = sheet
        file = io.BytesIO()
        image.resize((1024, 1024), Image.Resampling.LANCZOS).save(file, "PNG", compress_level=1)
        Path(sys.argv[3], path.stem + ".png").write_bytes(file.getvalue())
paths = sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))
with ThreadPoolExecutor(os.cpu_count()) as pool:
    list(pool.map(work, paths))
os.sync()
"""


@dataclass(frozen=True)
class Scenario:
    """One command that is measured."""

    name: str
    command: Sequence[str]
    settings: str = ""
    """What dsk.toml has for it."""
    before: Sequence[Sequence[str]] = ()
    """Commands that make the stages before it; not measured."""
    transparent: bool = False
    """Which images."""
    floor: str = "decode"
    """`decode`, or `encode` where it writes images too."""


@dataclass
class Took:
    """Seconds of one run."""

    wall: float
    cpu: float


def scenarios() -> list[Scenario]:
    """All of them, in the order of the stages."""
    names = [name.replace("_", "-") for name in FILTERS.names() if FILTERS.load(name).name not in MODELS]
    flags = "".join(f'[filtered.{name}]\naction = "flag"\n' for name in names)
    upto = {stage: [["advance", stage]] for stage in ("filtered", "edited", "captioned", "cleaned", "wip")}
    return [
        Scenario("filter, its default rules", ["filter"]),
        Scenario(f"filter, all {len(names)} rules without a model", ["filter"], flags),
        Scenario("edit, nothing to do", ["edit"], before=upto["filtered"]),
        Scenario("edit, all limited, half flattened", ["edit"], LIMIT, upto["filtered"], True, "encode"),
        Scenario("caption, without a tagger", ["caption"], before=upto["edited"]),
        Scenario("clean", ["clean"], before=upto["captioned"]),
        Scenario("wip", ["wip"], before=upto["cleaned"]),
        Scenario("export", ["export"], before=upto["wip"]),
    ]


def main() -> None:
    """Measure and print Markdown."""
    options = _options()
    options.cache.mkdir(parents=True, exist_ok=True)
    rows = []
    print("| | floor s | dsk s | ratio | floor CPU s | dsk CPU s | ratio |\n|---|---|---|---|---|---|---|")
    for scenario in scenarios():
        if options.only in scenario.name:
            floors, ours = _measure(scenario, options.cache, options.size, options.rounds)
            rows.append({"name": scenario.name, "floor": [*map(asdict, floors)], "dsk": [*map(asdict, ours)]})
            print(_row(scenario.name, floors, ours), flush=True)
    print(f"\n{options.size:,} images, {os.cpu_count()} cores, best of {options.rounds}; the bar is {BAR}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_stages", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=SIZE, help=f"number of images ({SIZE})")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (3)")
    parser.add_argument("--only", default="", metavar="WORD", help="only where the name has this word")
    parser.add_argument("--json", type=Path, help="also write every number here")
    default = Path(tempfile.gettempdir()) / "dsk-benchmark"
    parser.add_argument("--cache", type=Path, default=default, help=f"the images live here ({default})")
    return parser.parse_args()


def _measure(scenario: Scenario, cache: Path, size: int, rounds: int) -> tuple[list[Took], list[Took]]:
    """The floor and the command in turn, once unmeasured for the floor, so that all files are in the system's cache."""
    images = make_stage_images(cache, size, transparent=scenario.transparent)
    floors: list[Took] = []
    ours: list[Took] = []
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        root, written = Path(folder) / "set", Path(folder) / "written"
        written.mkdir()
        _make(root, images, scenario)
        floor = [sys.executable, "-c", _FLOOR, scenario.floor, str(images), str(written)]
        _took(floor, root)
        for _ in range(rounds):
            floors.append(_took(floor, root))
            ours.append(_cold(root, scenario.command))
    return floors, ours


def _make(root: Path, images: Path, scenario: Scenario) -> None:
    """A dataset with the stages before the one that is measured."""
    dsk = dsk_command()
    call([*dsk, "init", str(root)], root.parent)
    (root / "dsk.toml").write_text(scenario.settings, "utf-8")
    for words in (["import", str(images)], *scenario.before):
        call([*dsk, *words], root)


def _cold(root: Path, words: Sequence[str]) -> Took:
    """Run a command with nothing remembered, then undo it and throw away what it stored."""
    objects = root / ".git" / "lfs" / "objects"
    stored = set(objects.rglob("*"))
    (root / ".dsk" / "cache.sqlite").unlink(missing_ok=True)
    took = _took([*dsk_command(), *words], root)
    call([*dsk_command(), "undo"], root)
    for path in {path for path in objects.rglob("*") if path.is_file()} - stored:
        path.unlink()
    return took


def _took(argv: Sequence[str], cwd: Path) -> Took:
    """Seconds of a command that must do well."""
    os.sync()
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(argv, cwd=cwd, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)[:200]}:\n{done.stdout}{done.stderr}")
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _row(name: str, floors: Sequence[Took], ours: Sequence[Took]) -> str:
    cells = [name]
    for what in ("wall", "cpu"):
        floor, mine = ([getattr(one, what) for one in series] for series in (floors, ours))
        ratio = statistics.median(one / other for one, other in zip(mine, floor, strict=True))
        cells += [f"{min(floor):.2f}", f"{min(mine):.2f}", f"{ratio:.2f}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
