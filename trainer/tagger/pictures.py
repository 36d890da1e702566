"""Pictures and their tags, from a manifest or from captions, as squares of one side in memory."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from PIL import Image

from trainer.config import read_text
from trainer.data.decoding import extensions, opened, upright
from trainer.errors import DatasetError, some

MANIFEST = "manifest.jsonl"

_FORM = '{"file": "000.png", "tags": ["1girl", "smile"]}'

Say = Callable[[str], None]


@dataclass(frozen=True)
class Entry:
    """A picture that is to be read."""

    path: Path
    tags: tuple[str, ...]
    record: dict[str, Any]
    """Its line of the manifest; empty without one."""


@dataclass(frozen=True)
class Pictures:
    """Pictures that were read."""

    pixels: torch.Tensor
    """uint8 [N, 4, S, S], RGBA."""
    tags: tuple[frozenset[str], ...]
    paints: torch.Tensor
    """float32 [N, 3], 0 to 1: the colour that may be painted as another; NaN where there is none."""

    def __len__(self) -> int:
        return len(self.tags)

    def digest(self) -> str:
        """Of pixels and tags in their order."""
        sums = hashlib.sha256(self.pixels.numpy().data)
        sums.update(json.dumps([sorted(own) for own in self.tags]).encode())
        return sums.hexdigest()


def entries(folder: Path) -> list[Entry]:
    """What a folder has, in a fixed order. Raises DatasetError."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder", hint="make it with: python -m datakit.demo.portraits")
    found = list(_listed(folder) if (folder / MANIFEST).is_file() else _captioned(folder))
    if not found:
        raise DatasetError(f"{folder}: no picture with tags", hint=f"a {MANIFEST}, or captions beside the pictures")
    return found


def read(
    folders: Sequence[str], *, side_px: int, paint: str = "", leave_out: Sequence[Sequence[str]] = (), say: Say
) -> Pictures:
    """Reads the pictures of all folders; those that cannot be read are told and left out.

    Raises:
        DatasetError: a folder has none, or none can be read.
    """
    unwanted = [frozenset(tags) for tags in leave_out]
    found = [entry for folder in folders for entry in entries(Path(folder))]
    rows = [entry for entry in found if not any(tags <= set(entry.tags) for tags in unwanted)]
    pixels = torch.zeros(len(rows), 4, side_px, side_px, dtype=torch.uint8)
    kept: list[Entry] = []
    bad: list[str] = []
    for entry in rows:
        try:
            pixels[len(kept)] = torch.from_numpy(_square(entry.path, side_px))
        except DatasetError as error:
            bad.append(error.message)
            continue
        kept.append(entry)
    if bad:
        say(f"left out: {some(bad)}")
    if not kept:
        why = "no picture can be read" if bad else "every picture is left out"
        hint = "replace the pictures named above" if bad else "shorten data.leave_out"
        raise DatasetError(f"{', '.join(folders)}: {why}", hint=hint)
    paints = torch.tensor([_colour(entry.record, paint) for entry in kept])
    return Pictures(pixels[: len(kept)], tuple(frozenset(entry.tags) for entry in kept), paints)


def matches(tag: str, patterns: Sequence[str]) -> bool:
    """Whether a tag is one of these names, or fits one of these patterns with `*`."""
    return any(fnmatchcase(tag, pattern) for pattern in patterns)


def vocabulary(pictures: Pictures, *, drop: Sequence[str], least: int) -> dict[str, int]:
    """Tag → number of pictures, the commonest first, of those that can be learnt. Raises DatasetError."""
    counts = Counter(tag for tags in pictures.tags for tag in tags)
    found = {
        tag: count
        for tag, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        if least <= count < len(pictures) and not matches(tag, drop)
    }
    if not found:
        raise DatasetError(
            f"no tag can be learnt: none is on {least} pictures or more and not on all {len(pictures)}",
            hint="more pictures, or a lower data.least_count",
        )
    return found


def _listed(folder: Path) -> Iterator[Entry]:
    where = folder / MANIFEST
    for number, line in enumerate(read_text(where, error=DatasetError).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            name, tags = msgspec.convert((record["file"], record["tags"]), tuple[str, tuple[str, ...]])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DatasetError(f"{where}: line {number} is no record ({error!r})", hint=_FORM) from None
        if Path(name).name != name or name == "..":
            raise DatasetError(
                f"{where}: line {number}: file {name!r} is no name in this folder", hint="name a picture beside it"
            )
        yield Entry(folder / name, tags, record)


def _captioned(folder: Path) -> Iterator[Entry]:
    for path in sorted(folder.rglob("*")):
        caption = path.with_suffix(".txt")
        if path.suffix.lower() in extensions() and caption.is_file():
            words = read_text(caption, error=DatasetError).replace("\n", ",").split(",")
            yield Entry(path, tuple("_".join(word.split()) for word in words if word.strip()), {})


def _square(path: Path, side_px: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """[4, S, S]; what is not square lies in the middle of white, as taggers see it. Raises DatasetError."""
    with opened(path) as image:
        picture = upright(image).convert("RGBA")
    longest = max(picture.size)
    if picture.width != picture.height:
        canvas = Image.new("RGBA", (longest, longest), (255, 255, 255, 255))
        canvas.paste(picture, ((longest - picture.width) // 2, (longest - picture.height) // 2))
        picture = canvas
    if longest != side_px:
        picture = picture.resize((side_px, side_px), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.uint8).transpose(2, 0, 1).copy()


def _colour(record: dict[str, Any], path: str) -> tuple[float, float, float]:
    """The colour `#rrggbb` at a path such as `look.skin`."""
    value: Any = record
    for key in path.split(".") if path else ["no such key"]:
        value = value.get(key) if isinstance(value, dict) else None
    nothing = (float("nan"),) * 3
    if not isinstance(value, str) or len(value) != 7 or value[0] != "#":
        return nothing
    try:
        red, green, blue = (byte / 255 for byte in bytes.fromhex(value[1:]))
    except ValueError:
        return nothing
    return red, green, blue
