"""The part of an import that needs no other image: content into the store, header, record, caption; on all cores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from datakit.errors import InputError
from datakit.images.decode import UnreadableImage
from datakit.images.measure import Header, header
from datakit.model.item import ImageRef, split_path
from datakit.model.record import Record, Scraped, encode_json, facts_digest
from datakit.repo.posts import known_md5
from datakit.sources.folders.walk import Folder
from datakit.sources.model import Found
from datakit.store.parallel import spread_forked

FORK_AT_LEAST = 500
"""Images from which on several processes share the work."""
Take = Callable[[Path, str], ImageRef]
"""(file, extension) → its content, taken into the store, or only hashed."""


class Picture(NamedTuple):
    """One image to import: a file that a source found, or a frame of it."""

    found: Found
    file: Path
    """Where the bytes lie."""
    stem: str
    """Relative path without extension, after which it is named."""
    frame: int | None = None

    @property
    def extension(self) -> str:
        """Of the item's image, in lower case."""
        return split_path(self.file.name if self.frame is not None else self.found.image)[1].lower()

    @property
    def path(self) -> str:
        """What reports call it: `a/x.png`, and `a/x.gif, frame 3`."""
        return self.found.image if self.frame is None else f"{self.found.image}, frame {self.frame}"


class Read(msgspec.Struct, frozen=True):
    """A file's content, or why it cannot be read."""

    data: bytes | None = None
    problem: str = ""


class Ingested(msgspec.Struct, frozen=True):
    """One image in the store, with what goes beside it."""

    ref: ImageRef | None
    """None: it cannot be read, see `problem`."""
    record: bytes = b""
    caption: Read = Read()
    problem: str = ""
    md5: str = ""
    """Of the file, where its metadata names one."""


def ingest_all(take: Take, folder: Folder, rows: Sequence[Picture], now: str) -> Iterator[Ingested]:
    """Take every image, in the rows' order; `now` is the time that the records name."""

    def ingest(row: Picture) -> Ingested:
        try:
            ref = take(row.file, row.extension)
            md5 = _md5(row.file) if known_md5(row.found.scraped) and row.frame is None else ""
        except InputError as error:
            return Ingested(None, problem=_named(error.message, row))
        except FileNotFoundError:
            return Ingested(None, problem=f"{row.found.image}: went away while it was read")
        try:
            head: Header | None = header(row.file)
        except (UnreadableImage, OSError):
            head = None
        caption = Read(row.found.text.encode("utf-8", "replace")) if row.found.text is not None else Read()
        if row.found.caption:
            caption = read_text(folder, row.found.caption)
        return Ingested(ref, encode_json(_record(row, ref, head, now)), caption, md5=md5)

    return spread_forked(ingest, rows, at_least=FORK_AT_LEAST)


def _named(message: str, row: Picture) -> str:
    """An error about a file, by the name that the person knows it under."""
    return message if row.found.image in message else f"{row.path}: {message.rpartition(': ')[2]}"


def read_text(folder: Folder, path: str) -> Read:
    """Read a caption; '' stands for none."""
    if not path:
        return Read()
    try:
        return Read(folder.read(path))
    except InputError as error:
        return Read(problem=error.message)


def hash_only(file: Path, extension: str) -> ImageRef:
    """What taking a file into the store would give.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return ImageRef(digest, stream.tell(), extension)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error


def _md5(file: Path) -> str:
    """'' where the file went away after its content was taken."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        return ""


def _record(row: Picture, ref: ImageRef, head: Header | None, now: str) -> Record:
    scraped = row.found.scraped or Scraped()
    return Record(
        sha256=ref.sha256,
        size_bytes=ref.size_bytes,
        original=row.found.image,
        imported_at=now,
        format=head.format if head else "",
        size_px=head.size_px if head else None,
        frame=row.frame,
        seen=(facts_digest(scraped),) if row.found.scraped else (),
        **{name: getattr(scraped, name) for name in Scraped.__struct_fields__},
    )
