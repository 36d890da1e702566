"""A folder of portraits: pictures, captions, and a manifest with the truth about each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from datakit.demo.portraits.contract import Look
from datakit.demo.portraits.drawing import draw, tags_of
from datakit.demo.portraits.styles import STYLES

MANIFEST: Final = "manifest.jsonl"


def write(folder: Path, looks: Iterable[Look], *, size_px: int, processes: int = 1) -> int:
    """Writes `<number>.png`, `<number>.txt` and the manifest; returns how many.

    Raises:
        StateError: the drawing packages are not installed.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = ((folder, number, look, size_px) for number, look in enumerate(looks))
    count = 0
    with (folder / MANIFEST).open("w", encoding="utf-8") as manifest:
        for record in _records(jobs, processes):
            manifest.write(json.dumps(record, sort_keys=True) + "\n")
            count += 1
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
