"""The part of an import that needs no other image: content into the store, header, record, caption; on all cores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from datakit.errors import InputError
from datakit.images.decode import UnreadableImage
from datakit.images.measure import Header, header
from datakit.model.item import ImageRef, split_path
from datakit.model.record import Record, encode_json
from datakit.repo.dataset import Dataset
from datakit.sources.model import Folder, Found
from datakit.store.parallel import spread_forked

FORK_AT_LEAST = 500
"""Images from which on several processes share the work."""


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


def ingest_all(dataset: Dataset, folder: Folder, rows: Sequence[Found], now: str) -> Iterator[Ingested]:
    """Take every image into the store, in the rows' order; `now` is the time that the records name."""

    def ingest(row: Found) -> Ingested:
        path = folder.root / row.image
        try:
            ref = dataset.lfs.ingest(path, split_path(row.image)[1].lower())
        except InputError as error:
            return Ingested(None, problem=error.message)
        try:
            head: Header | None = header(path)
        except (UnreadableImage, OSError):
            head = None
        return Ingested(ref, encode_json(_record(row, ref, head, now)), read_text(folder, row.caption))

    return spread_forked(ingest, rows, at_least=FORK_AT_LEAST)


def read_text(folder: Folder, path: str) -> Read:
    """Read a caption; '' stands for none."""
    if not path:
        return Read()
    try:
        return Read(folder.read(path))
    except InputError as error:
        return Read(problem=error.message)


def _record(row: Found, ref: ImageRef, head: Header | None, now: str) -> Record:
    facts = msgspec.structs.asdict(row.scraped) if row.scraped else {}
    return Record(
        sha256=ref.sha256,
        size_bytes=ref.size_bytes,
        original=row.image,
        imported_at=now,
        format=head.format if head else "",
        size_px=head.size_px if head else None,
        **facts,
    )
