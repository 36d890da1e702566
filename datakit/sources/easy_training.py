"""Dataset TOML of LoRA Easy Training Scripts and of sd-scripts: `image_dir`, `num_repeats`, `caption_extension` …

Read are the image folders that lie inside of the folder; an absolute `image_dir` counts by its end, since it was
written on another machine perhaps. Others are told of, with the command that imports them. A subset's settings go into
the record's `upstream`, repeats as kohya's folders have them. As the trainers do, images are taken directly from a
folder, not from those below it. Facts: derrian-distro/LoRA_Easy_Training_Scripts:main_ui_files/MainUI.py, SubsetUI.py,
kohya-ss/sd-scripts:library/config_util.py.
"""

from __future__ import annotations

import posixpath
import shlex
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.errors import InputError
from datakit.model.item import split_path
from datakit.model.record import Scraped
from datakit.sources.folders.documents import MIB, read_text
from datakit.sources.folders.matching import base_name, candidates, folder_of
from datakit.sources.folders.walk import Aside, Folder
from datakit.sources.model import Claims, Found, Source
from datakit.sources.reading.repeats import repeats_of
from datakit.sources.reading.sidecars import decode_text

_MAX_BYTES: Final = MIB // 8
"""Reading a TOML key takes a time that grows with the square of its length."""
_NO_CAPTIONS: Final = frozenset({"toml", "json"})


class Subset(msgspec.Struct, frozen=True):
    """One folder of images that a TOML file names."""

    image_dir: str
    settings: dict[str, Any]
    """Its own and those of its dataset and of `[general]`, which it may override."""


def subsets_in(text: str) -> list[Subset]:
    """The subsets of either TOML form; [] for other TOML.

    Raises:
        InputError: not TOML; the message has no file name.
    """
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InputError(f"not TOML ({str(error)[:100]})") from error
    return list(_subsets(data))


def image_folders(path: Path) -> list[Path]:
    """Image folders that a TOML file names, relative ones taken from where it lies; [] for other TOML.

    Raises:
        InputError: it cannot be read, or is not TOML.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b""
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    try:
        subsets = subsets_in(decode_text(data)[0])
    except InputError as error:
        raise InputError(f"{path}: {error.message}") from error
    names = (one.image_dir for one in subsets if "\0" not in one.image_dir)
    return [path.parent / name for name in dict.fromkeys(names)]


def _subsets(data: dict[str, Any]) -> Iterator[Subset]:
    general = _scalars(data.get("general"))
    datasets = data.get("datasets")
    for one in [data, *(datasets if isinstance(datasets, list) else ())]:
        held = one.get("subsets") if isinstance(one, dict) else None
        hoisted = {} if one is data else _scalars(one)
        for row in held if isinstance(held, list) else ():
            if isinstance(row, dict) and isinstance(row.get("image_dir"), str) and "metadata_file" not in row:
                settings = {**general, **hoisted, **_scalars(row)}
                yield Subset(row["image_dir"], settings)


def _scalars(value: object) -> dict[str, Any]:
    """Settings as JSON can hold them."""
    rows = value.items() if isinstance(value, dict) else ()
    return {
        key: str(one) if isinstance(one, date | datetime | time) or _is_huge(one) else one
        for key, one in rows
        if isinstance(one, str | int | float | date | time) or (isinstance(one, list) and not _holds_tables(one))
    }


def _holds_tables(value: list[Any]) -> bool:
    return not all(isinstance(one, str | int | float) and not _is_huge(one) for one in value)


def _is_huge(value: object) -> bool:
    """Whether a number has more than the 64 bits that JSON readers take."""
    return isinstance(value, int) and value.bit_length() > 63


class _Reader:
    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.claims = Claims()
        self.taken: set[str] = set()

    @cached_property
    def directories(self) -> dict[str, list[str]]:
        """Folder → the images directly in it."""
        found: dict[str, list[str]] = {}
        for image in self.folder.images:
            found.setdefault(folder_of(image), []).append(image)
        return found

    def take(self, path: str, is_told: bool) -> None:
        """Read one TOML file, if it names image folders."""
        try:
            subsets = subsets_in(read_text(self.folder, path, limit_bytes=_MAX_BYTES)[0])
        except InputError as error:
            if is_told:
                self.claims.aside.append(Aside(path, error.message))
            return
        if not subsets:
            return
        found = 0
        for one in subsets:
            directory = self._directory(folder_of(path), one.image_dir)
            if directory is None:
                reason = f"named by {path}, and not in here: dsk import {shlex.quote(one.image_dir)}"
                self.claims.aside.append(Aside(f"{path}: {one.image_dir}", reason))
            else:
                found += self._take_images(path, one, self.directories[directory])
        if found:
            self.claims.used.add(path)
        else:
            self.claims.aside.append(Aside(path, "names image folders, none of which is in here"))

    def _directory(self, place: str, name: str) -> str | None:
        for path in candidates(place, name):
            if path in self.directories:
                return path
        text = name.strip().replace("\\", "/").rstrip("/")
        own = self.folder.name
        path = f"{posixpath.normpath(posixpath.join(own, place, text))}/"
        if base_name(text) == own:
            path = f"{own}/"
        inside = path.removeprefix(f"{own}/").rstrip("/")
        return inside if text and path.startswith(f"{own}/") and inside in self.directories else None

    def _take_images(self, path: str, subset: Subset, images: list[str]) -> int:
        """Claim a subset's images; how many were not another subset's before."""
        if images[0] in self.taken:
            return 0  # a subset has all the images of a folder, or none
        settings = subset.settings
        named = repeats_of(base_name(folder_of(images[0])) or self.folder.name)
        repeats = settings.get("num_repeats", named[0] if named else 1)
        facts = {"repeats": repeats, "subset": settings}
        facts |= {name: settings[name] for name in ("class_tokens", "is_reg") if settings.get(name)}
        scraped = Scraped(upstream={"kohya": facts})
        self.taken.update(images)
        for image in images:
            caption = self._caption(image, settings.get("caption_extension"))
            row = Found(image=image, caption=caption, scraped=scraped, sidecar=path, concept=named[1] if named else "")
            self.claims.found.append(row)
        return len(images)

    def _caption(self, image: str, extension: object) -> str:
        ending = extension.lstrip(".") if isinstance(extension, str) else ""
        path = f"{split_path(image)[0]}.{ending}" if ending and ending.lower() not in _NO_CAPTIONS else ""
        is_other = path in self.folder.files and not self.folder.is_image(path)
        return path if is_other else self.folder.caption_of(image)


def _claim(folder: Folder, is_told: bool) -> Claims:
    reader = _Reader(folder)
    for path in folder.ending("toml"):
        reader.take(path, is_told)
    return reader.claims


SOURCE = Source(name="easy_training", title="dataset TOML of LoRA Easy Training Scripts", rank=38, claim=_claim)
