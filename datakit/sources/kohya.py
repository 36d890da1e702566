"""kohya's sd-scripts: folders called `10_miku` (repeats, then the concept), and `meta.json` of its finetune tools.

Repeats are the trainer's, so the concept is `miku`; they are kept in the record's `upstream`, with `is_reg` below a
folder `reg`. A `meta.json`, `meta_cap.json`, `meta_lat.json` or JSON Lines with `image_path` holds captions by path or
stem: caption and tags joined, as the trainer would. Where an image has a caption file too, that one is taken. Facts:
kohya-ss/sd-scripts:library/config_util.py, library/train_util.py, finetune/merge_captions_to_metadata.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final

import msgspec

from datakit.errors import InputError
from datakit.model.item import split_path
from datakit.model.record import Scraped
from datakit.sources.folders.documents import read_json, read_text, stream_lines
from datakit.sources.folders.matching import Images, base_name, folder_of
from datakit.sources.folders.walk import Aside, Folder
from datakit.sources.model import Claims, Found, Source
from datakit.sources.reading.repeats import facts_of_folder

_FIELDS: Final = frozenset({"caption", "tags", "train_resolution", "image_size"})
_LOOKED_AT: Final = 20
_TEXT_BYTES: Final = 1 << 20


class _Reader:
    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.images = Images(folder)
        self.claims = Claims()
        self.known: dict[str, dict[str, Any]] = {}
        """Image → what goes into `upstream`."""
        self.texts: dict[str, str] = {}
        self.sidecars: dict[str, str] = {}
        self.problems: dict[str, list[str]] = {}

    def take_folders(self) -> None:
        """Images that lie directly in a folder with repeats in its name."""
        known: dict[str, dict[str, Any]] = {}
        for image in self.images.paths:
            place = folder_of(image)
            if place not in known:
                known[place] = facts_of_folder(f"{self.folder.name}/{place}".rstrip("/"))
            if known[place]:
                self.known[image] = dict(known[place])

    def take_meta(self, path: str) -> None:
        """Read a metadata file, if it has that form."""
        rows = self._rows(path)
        try:
            some = list(islice(rows, _LOOKED_AT))
            if not some or not all(isinstance(row, Mapping) and _FIELDS & row.keys() for _, row in some):
                return
            num_found, missing = self._take_rows(path, chain(some, rows))
        except InputError:
            return  # the next sources may know what it is, and what is left over is told of
        if not num_found:
            self.claims.aside.append(Aside(path, "captions of images that are not here, or known from elsewhere"))
        self.claims.used.update({path} if num_found else ())
        if num_found and missing:
            note = f"{path}: {len(missing)} entries have no image in here, such as {missing[0][:80]!r}"
            first = next(image for image, sidecar in self.sidecars.items() if sidecar == path)
            self.problems.setdefault(first, []).append(note)

    def _rows(self, path: str) -> Iterator[tuple[str, Any]]:
        if split_path(path)[1].lower() == "jsonl":
            for _, row in stream_lines(self.folder, path):
                name = row.get("image_path") if isinstance(row, dict) else None
                yield name if isinstance(name, str) else "", row if isinstance(name, str) else None
            return
        value = read_json(self.folder, path)
        yield from value.items() if isinstance(value, dict) else ()

    def _take_rows(self, path: str, rows: Iterable[tuple[str, Any]]) -> tuple[int, list[str]]:
        """(number of images found, keys without one)."""
        missing: list[str] = []
        num_found = 0
        for key, row in rows:
            images = self._images(folder_of(path), key) if isinstance(row, Mapping) else []
            missing += [] if images else [key]
            for image in images:
                if self.sidecars.setdefault(image, path) == path:
                    num_found += 1
                    self.known.setdefault(image, {})[base_name(path)] = dict(row)
                    self.texts[image] = _caption(row)
                else:
                    note = f"{path}: {image} has an entry in {self.sidecars[image]} too, which is taken"
                    self.problems.setdefault(image, []).append(note)
        return num_found, missing

    def _images(self, place: str, key: str) -> list[str]:
        found = self.images.at(place, key)
        if found or "/" in key or "\\" in key:
            return found
        below = [one for one in self.images.by_bare_stem.get(key, ()) if not place or one.startswith(f"{place}/")]
        return below if len(below) == 1 else []

    def finish(self) -> Claims:
        """All that was found."""
        for image, facts in self.known.items():
            caption = self.folder.caption_of(image)
            text = self.texts.get(image, "") or None
            problems = self.problems.get(image, [])
            if caption and text is not None:
                problems += self._compare(caption, text, self.sidecars[image])
                text = None
            row = Found(image=image, caption=caption, text=text, scraped=Scraped(upstream={"kohya": facts}))
            concept = str(facts.get("class_tokens", ""))
            row = msgspec.structs.replace(row, concept=concept, sidecar=self.sidecars.get(image, ""))
            self.claims.found.append(msgspec.structs.replace(row, problems=tuple(problems)))
        return self.claims

    def _compare(self, caption: str, text: str, path: str) -> list[str]:
        try:
            beside, _ = read_text(self.folder, caption, limit_bytes=_TEXT_BYTES)
        except InputError:
            return []  # the import tells of a caption that cannot be read
        return [] if beside.strip() == text else [f"{caption}: says something else than {path}, and is taken"]


def _caption(row: Mapping[str, Any]) -> str:
    """Caption and tags, joined as sd-scripts joins them."""
    parts = [row.get("caption"), row.get("tags")]
    texts = [", ".join(map(str, part)) if isinstance(part, list) else part for part in parts]
    return ", ".join(text.strip() for text in texts if isinstance(text, str) and text.strip())


def _claim(folder: Folder, is_told: bool) -> Claims:
    del is_told
    reader = _Reader(folder)
    reader.take_folders()
    for path in folder.ending("json", "jsonl"):
        reader.take_meta(path)
    return reader.finish()


SOURCE = Source(name="kohya", title="kohya's sd-scripts", rank=40, claim=_claim)
