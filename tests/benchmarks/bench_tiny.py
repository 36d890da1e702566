"""Does dsk-tiny draw what it is asked for? Asked tags found by the tagger, in drawn pictures and in true ones.

    python -m tests.benchmarks.bench_tiny [--base NAME_OR_FOLDER] [--pictures N] [--random] [--sheet PNG]

Looks of the four base styles are drawn by lot with a seed of their own, none of the held-out characters among them. The
base paints each from its caption; the tagger that comes along looks at the painting and at the true picture. The second
column is what the tagger can find at all, so the first is to be read against it. The third, with --random, is the first
with weights that were never trained: what a tagger finds by accident.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from datakit.demo.portraits.contract import Look
from datakit.demo.portraits.drawing import draw, tags_of
from datakit.demo.portraits.lots import base_looks
from datakit.demo.portraits.writing import caption
from tests.experiments.judging import Judge

ROOT = Path(__file__).parents[2]
TAGGER = "dsk-tiny-tagger"
SEED = 777
GUIDANCE = {"steps": 20, "guidance": 4.0, "guidance_rescale": 0.5}
LEAST = 8
"""Tags that fewer pictures ask for are not listed."""


def main() -> None:
    """Measure and print Markdown."""
    options = _options()
    looks = list(base_looks(options.pictures, seed=SEED))
    tagger = Judge(TAGGER, root=ROOT)
    asked = [set(tags_of(look)) & tagger.known for look in looks]
    with tempfile.TemporaryDirectory() as temporary:
        painted = paint(Path(temporary) / "base", looks, base=options.base)
        accident = paint(Path(temporary) / "random", looks, base="") if options.random else []
    truth = [draw(look, 64) for look in looks]
    columns = [_found(asked, tagger, pictures) for pictures in (painted, truth, accident) if pictures]
    _report(asked, columns)
    if options.sheet:
        sheet(truth, painted).save(options.sheet)


def paint(folder: Path, looks: Sequence[Look], *, base: str) -> list[Image.Image]:
    """The base's picture of each look's caption; of random weights where `base` is empty."""
    folder.mkdir()
    jobs = [
        {"name": f"{n:04d}", "prompt": caption(tags_of(look)), "seed": n, "scale": 0.0} for n, look in enumerate(looks)
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    model = {"base": base} if base else {"family": "tiny"}
    Image.new("RGB", (64, 64)).save(folder / "any.png")
    (folder / "any.txt").write_text("1girl", encoding="utf-8")
    (folder / "dataset.toml").write_text(
        f'[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nimage_dir = "{folder}"\n', encoding="utf-8"
    )
    (folder / "run.toml").write_text(_toml({"model": model, "sample": GUIDANCE}), encoding="utf-8")
    words = [str(folder / "run.toml"), "--jobs", str(folder / "jobs.json"), "--out", str(folder / "out"), "--lora", ""]
    done = subprocess.run([sys.executable, "-m", "trainer", "pictures", *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(done.returncode)  # it has told why
    return [Image.open(folder / "out" / f"{job['name']}.png").convert("RGB") for job in jobs]


def sheet(truth: Sequence[Image.Image], painted: Sequence[Image.Image], *, columns: int = 12) -> Image.Image:
    """Rows of true pictures, each over what the base painted of its caption."""
    columns = min(columns, len(truth))
    count = len(truth) // columns * columns
    canvas = Image.new("RGB", (columns * 64, count // columns * 128))
    for number in range(count):
        x, y = number % columns * 64, number // columns * 128
        canvas.paste(truth[number].convert("RGB"), (x, y))
        canvas.paste(painted[number], (x, y + 64))
    return canvas


def _found(asked: Sequence[set[str]], tagger: Judge, pictures: Sequence[Image.Image]) -> Counter[str]:
    found: Counter[str] = Counter()
    for wanted, seen in zip(asked, tagger.tags(pictures), strict=True):
        found.update(wanted.intersection(seen))
    return found


def _report(asked: Sequence[set[str]], columns: Sequence[Counter[str]]) -> None:
    counts = Counter(tag for tags in asked for tag in tags)
    names = ["painted", "true pictures", "random weights"][: len(columns)]
    print(f"| tag | asked for | {' | '.join(names)} |\n|---|--:|{'--:|' * len(columns)}")
    for tag, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        if count >= LEAST:
            shares = " | ".join(f"{column[tag] / count:.0%}" for column in columns)
            print(f"| {tag} | {count} | {shares} |")
    whole = sum(counts.values())
    shares = " | ".join(f"{sum(column.values()) / whole:.1%}" for column in columns)
    print(f"| all | {whole} | {shares} |")


def _toml(tables: dict[str, dict[str, Any]]) -> str:
    import tomlkit

    return tomlkit.dumps(tables)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="dsk-tiny", help="a name or a folder")
    parser.add_argument("--pictures", type=int, default=192)
    parser.add_argument("--random", action="store_true", help="also with random weights")
    parser.add_argument("--sheet", type=Path, help="where to write the pictures")
    found = parser.parse_args()
    if found.pictures < 1:
        parser.error("--pictures: at least 1")
    return found


if __name__ == "__main__":
    main()
