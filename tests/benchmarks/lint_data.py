"""What `bench_lint` lints: small images with captions of 30 tags, as a plain folder and as a dataset, made once."""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
import re
import shutil
from pathlib import Path
from typing import Final

from tests.benchmarks.data import make_thumbnails
from tests.benchmarks.peers import call, dsk_command

SEED: Final = 7
VERSION: Final = 2
"""Raised when the same call would make other files."""
NUM_NAMES: Final = 20_000
TAGS_EACH: Final = 30
_PLAIN: Final = re.compile(r"[a-z]+(_[a-z]+)*")


def make_folder(cache: Path, size: int, *, vocabulary: Path | None) -> Path:
    """A folder of `size` images of 128 px, each with a caption of its own; the images are links."""
    home = cache / f"lint-{size}-v{VERSION}{'-known' if vocabulary else ''}"
    if not (home / ".done").exists():
        shutil.rmtree(home, ignore_errors=True)
        source = make_thumbnails(cache, size)
        draw = random.Random(SEED)
        names = _names(vocabulary)
        weights = list(itertools.accumulate(1 / rank for rank in range(1, len(names) + 1)))
        for image in sorted(source.rglob("*.jpg")):
            place = home / "scrape" / image.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(image, place)
            tags = dict.fromkeys(draw.choices(names, cum_weights=weights, k=TAGS_EACH * 2))
            place.with_suffix(".txt").write_text(", ".join([*tags][:TAGS_EACH]), "utf-8")
        (home / ".done").touch()
    return home / "scrape"


def make_dataset(cache: Path, size: int, *, vocabulary: Path | None) -> Path:
    """The same as a dataset with every stage up to wip."""
    home = cache / f"lint-set-{size}-v{VERSION}{'-known' if vocabulary else ''}"
    if not (home / ".done").exists():
        folder = make_folder(cache, size, vocabulary=vocabulary)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        dsk = dsk_command()
        call([*dsk, "init", "set"], home)
        config = home / "set" / "dsk.toml"
        changes = {"# min_side_px = 256": "min_side_px = 64"}
        if vocabulary:
            changes["[vocab]\n"] = f"[vocab]\ntags = {json.dumps([str(vocabulary.resolve())])}\n"
        config.write_text(_changed(config.read_text("utf-8"), changes), "utf-8")
        call([*dsk, "import", str(folder)], home / "set")
        call([*dsk, "advance", "wip"], home / "set")
        (home / ".done").touch()
    return home / "set"


def _changed(text: str, changes: dict[str, str]) -> str:
    """The text with other words in the place of those that stand there once.

    Raises:
        ValueError: they do not.
    """
    for old, new in changes.items():
        if text.count(old) != 1:
            raise ValueError(f"{old!r} stands {text.count(old)} times in what dsk init writes")
        text = text.replace(old, new)
    return text


def _names(vocabulary: Path | None) -> list[str]:
    """Tags as prompts write them, the commonest first."""
    if vocabulary is None:
        return [f"tag {rank}" for rank in range(1, NUM_NAMES + 1)]
    with vocabulary.open(encoding="utf-8", newline="") as file:
        rows = (row for row in csv.reader(file) if len(row) > 1 and row[1] == "0" and _PLAIN.fullmatch(row[0]))
        return [row[0].replace("_", " ") for row in itertools.islice(rows, NUM_NAMES)]
