"""A folder of portraits: pictures, captions, and a manifest with the truth about each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from datakit.demo.portraits.contract import Look
from datakit.demo.portraits.drawing import draw, tags_of
from datakit.demo.portraits.styles import STYLES
from datakit.errors import InputError

MANIFEST: Final = "manifest.jsonl"
"""Written last: a folder that has it is whole."""
_PART: Final = f"{MANIFEST}.part"
_OWN: Final = re.compile(r"\d{6,}\.(?:png|txt)")


def make_room(folder: Path) -> None:
    """Makes the folder, or empties it of what a run left that was stopped.

    Raises:
        InputError: something else is in it.
        OSError: it cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is there already, and no folder", hint="name a new folder, or an empty one")
    folder.mkdir(parents=True, exist_ok=True)
    paths = list(folder.iterdir())
    is_own = (folder / _PART).exists() and all(path.name == _PART or _OWN.fullmatch(path.name) for path in paths)
    if paths and not is_own:
        raise InputError(f"{folder}: is there already", hint="name a new folder, or an empty one")
    # The part last: stopped here, the rest is still known as ours.
    for path in sorted(paths, key=lambda path: path.name == _PART):
        path.unlink()


def write(folder: Path, looks: Iterable[Look], *, size_px: int, processes: int = 1) -> int:
    """Writes `<number>.png`, `<number>.txt` and, when all are there, the manifest; returns how many.

    Raises:
        StateError: the drawing packages are not installed.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = ((folder, number, look, size_px) for number, look in enumerate(looks))
    count = 0
    with (folder / _PART).open("w", encoding="utf-8") as manifest:
        for record in _records(jobs, processes):
            manifest.write(json.dumps(record, sort_keys=True) + "\n")
            count += 1
    (folder / _PART).replace(folder / MANIFEST)
    return count


def caption(tags: Iterable[str]) -> str:
    """As prompts write tags: `1girl, long hair, blue hair`."""
    return ", ".join(tag.replace("_", " ") for tag in tags)


def _records(jobs: Iterator[tuple[Path, int, Look, int]], processes: int) -> Iterator[dict[str, Any]]:
    if processes == 1:
        yield from map(_one, jobs)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(_one, jobs, chunksize=32)


def _one(job: tuple[Path, int, Look, int]) -> dict[str, Any]:
    folder, number, look, size_px = job
    tags, style = tags_of(look), STYLES[look.style]
    draw(look, size_px).save(folder / f"{number:06d}.png")
    (folder / f"{number:06d}.txt").write_text(caption(tags), encoding="utf-8")
    credit = {"artist": style.artist, "licence": style.licence, "source": style.source}
    return {"file": f"{number:06d}.png", "tags": tags, "look": asdict(look), "credit": credit}
