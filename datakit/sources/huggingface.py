"""Hugging Face imagefolder: `metadata.jsonl` or `metadata.csv` with a `file_name` in every row.

`text`, `caption` or `prompt` becomes the caption, a list of `tags` the tags; every column stays in the record's
`upstream`, with the split (train, validation, test) that the image lies in. A split's name is no concept: the dataset's
is taken. Parquet is left aside, with what to do. Facts: huggingface/datasets:src/datasets/packaged_modules/
folder_based_builder/folder_based_builder.py.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final

import msgspec

from datakit.errors import InputError
from datakit.model.item import split_path
from datakit.model.record import Scraped
from datakit.sources.folders.documents import read_text, stream_lines
from datakit.sources.folders.matching import Images, base_name, folder_of, leads_out
from datakit.sources.folders.walk import Aside, Folder
from datakit.sources.model import Claims, Found, Source
from datakit.sources.reading.fields import Post
from datakit.sources.reading.site import read_facts

_NAMES: Final = frozenset({"metadata.jsonl", "metadata.csv"})
_FILE: Final = ("file_name", "image_file_name", "image")
_TEXTS: Final = ("text", "caption", "prompt", "additional_feature", "description")
_SPLITS: Final = frozenset({"train", "validation", "valid", "val", "dev", "test"})
_HOLDERS: Final = _SPLITS | {"data", "images"}
"""Folders whose name is no concept."""
_LOOKED_AT: Final = 20
_TABLES: Final = "a table that holds its images; write it with `datasets` as an imagefolder, and import that"


class _Reader:
    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.images = Images(folder)
        self.claims = Claims()
        self.rows: dict[str, tuple[str, dict[str, Any]]] = {}
        """Image → (file, row)."""
        self.problems: dict[str, list[str]] = {}

    def take(self, path: str) -> None:
        """Read one metadata file, if its rows name files."""
        rows = self._rows(path)
        try:
            some = list(islice(rows, _LOOKED_AT))
            if not any(isinstance(row, dict) and _file_of(row) for row in some):
                return
            images, notes = self._take_rows(path, chain(some, rows))
        except InputError as error:
            self.claims.aside.append(Aside(path, error.message))
            return
        if images:
            self.claims.used.add(path)
            self.problems.setdefault(images[0], []).extend(notes)
        else:
            self.claims.aside.append(Aside(path, "metadata of images that are not here, or known from elsewhere"))

    def _rows(self, path: str) -> Iterator[Any]:
        if split_path(path)[1].lower() == "jsonl":
            yield from (row for _, row in stream_lines(self.folder, path))
            return
        text, problem = read_text(self.folder, path)
        if problem:
            yield InputError(problem.removeprefix("is "))
        try:
            yield from csv.DictReader(io.StringIO(text.replace("\0", ""), newline=""), restkey="")
        except csv.Error as error:
            yield InputError(f"not CSV ({error})")

    def _take_rows(self, path: str, rows: Iterable[Any]) -> tuple[list[str], list[str]]:
        """(images of the rows, what was wrong)."""
        images: list[str] = []
        bad: dict[str, int] = {}
        for row in rows:
            name = _file_of(row) if isinstance(row, dict) else ""
            found = self.images.at(folder_of(path), name) if name else []
            if not found:
                reason = _why_not(row, name, folder_of(path))
                bad[reason] = bad.get(reason, 0) + 1
            for image in found:
                if image in self.rows:
                    bad["names an image again"] = bad.get("names an image again", 0) + 1
                else:
                    self.rows[image] = (path, row)
                    images.append(image)
        return images, [f"{path}: {number} × a row {reason}" for reason, number in bad.items()]

    def finish(self) -> Claims:
        """All that was found."""
        for image, (path, row) in self.rows.items():
            self.claims.found.append(self._found(image, path, row))
        return self.claims

    def _found(self, image: str, path: str, row: dict[str, Any]) -> Found:
        split = next((part for part in folder_of(image).split("/") if part.lower() in _SPLITS), "")
        upstream = {"huggingface": {str(key): one for key, one in row.items()}, **({"split": split} if split else {})}
        facts = read_facts(row, upstream=upstream)
        post = Post(row)
        scraped = facts.scraped if facts else Scraped(tags=_tags(post), upstream=upstream)
        caption = self.folder.caption_of(image)
        text = post.text(*_TEXTS)
        problems = [f"{path}: {one}" for one in (*(facts.problems if facts else ()), *post.problems)]
        if caption and text:
            problems.append(f"{caption}: is taken, and not what {path} says")
        found = Found(image=image, caption=caption, text=text if text and not caption else None, scraped=scraped)
        found = msgspec.structs.replace(found, sidecar=path, concept=self._concept(image))
        return msgspec.structs.replace(found, problems=(*problems, *self.problems.get(image, ())))

    def _concept(self, image: str) -> str:
        parts = folder_of(image).split("/")
        if parts[-1].lower() not in _HOLDERS:
            return ""
        return next((part for part in reversed(parts) if part.lower() not in _HOLDERS), "") or self.folder.name


def _file_of(row: Mapping[str, Any]) -> str:
    return next((name for field in _FILE if isinstance(name := row.get(field), str) and name), "")


def _why_not(row: object, name: str, place: str) -> str:
    if isinstance(row, InputError):
        return f"is {row.message}"
    if not name:
        return "has no file_name"
    return "leads out of the folder" if leads_out(place, name) else "names an image that is not here"


def _tags(post: Post) -> dict[str, tuple[str, ...]]:
    """A list of tags, or a text of them with commas; a text without any is split at blanks."""
    _, value = post.value("tags")
    tags = post.tags("tags", separator="," if isinstance(value, str) and "," in value else None)
    return {"general": tags} if tags else {}


def _claim(folder: Folder, is_told: bool) -> Claims:
    reader = _Reader(folder)
    for path in folder.ending("jsonl", "csv"):
        if is_told or base_name(path).lower() in _NAMES:
            reader.take(path)
    reader.claims.aside.extend(Aside(path, _TABLES) for path in folder.ending("parquet", "arrow"))
    return reader.finish()


SOURCE = Source(name="huggingface", title="Hugging Face imagefolder", rank=39, claim=_claim)
