"""dsk refresh: newer metadata into the records of items that are there; an import does the same beside its images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from datakit.actions.drafting import draft
from datakit.actions.firstrecords import first_reading
from datakit.actions.gathering import Gathered, gather
from datakit.actions.ingesting import hash_only
from datakit.actions.project import Counted, Project
from datakit.errors import InputError
from datakit.model.order import RAW
from datakit.model.progress import Progress, silent
from datakit.model.record import Record, Scraped, decode_record, encode_json
from datakit.model.refresh import Refreshed, is_older, refresh
from datakit.repo.dataset import Dataset
from datakit.repo.operations.transaction import Transaction
from datakit.repo.posts import Posts
from datakit.repo.stagetree import ItemFiles, read_items, stage_tree
from datakit.sources.folders.files import Aside
from datakit.sources.reading.site import read_facts


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What newer metadata changes in one record."""

    key: str
    path: str
    """The file that it came from."""
    added: dict[str, tuple[str, ...]] = {}
    """Category → tags."""
    removed: dict[str, tuple[str, ...]] = {}
    moved: dict[str, tuple[str, str]] = {}
    """Tag → its category before and now."""
    fields: dict[str, tuple[Any, Any]] = {}
    """Other field → what it was and is."""
    disputes: tuple[str, ...] = ()
    """Fields that were edited by hand too; the edit stays."""


class RefreshReport(msgspec.Struct, kw_only=True):
    """What a refresh found, and did."""

    recognised: dict[str, int] = msgspec.field(default_factory=dict)
    commit: str = ""
    is_dry: bool = False
    changes: list[Change] = msgspec.field(default_factory=list)
    num_same: int = 0
    """Items whose metadata says nothing new."""
    num_older: int = 0
    """Items that the dataset has newer metadata of."""
    unknown: list[Aside] = msgspec.field(default_factory=list)
    """Metadata of no item of the dataset."""
    aside: list[Aside] = msgspec.field(default_factory=list)
    """Files that were not read, and why."""
    notes: list[str] = msgspec.field(default_factory=list)


class Records:
    """Records of raw as news changes them, within one operation."""

    def __init__(self, dataset: Dataset, items: Mapping[str, ItemFiles]) -> None:
        self._dataset = dataset
        self._blobs = {key: item.record for key, item in items.items() if item.record is not None}
        self._made: dict[str, bytes] = {}
        self._now: dict[str, Record] = {}
        self._news: dict[str, list[tuple[str, Refreshed]]] = {}
        self.notes: list[str] = []
        self.num_same = 0
        self.num_older = 0

    def add(self, key: str, record: bytes) -> None:
        """Enter a record that the operation itself makes."""
        self._made[key] = record

    def hear(self, key: str, news: Scraped, path: str) -> None:
        """Take the news of an item in, where it is news; `path` is the file that it comes from."""
        record = self._record(key)
        if record is None:
            return
        if record.site and news.site and news.site != record.site:
            self.notes.append(f"{path}: {RAW}/{key}.json is from {record.site}, and is not mixed with {news.site}")
            return
        if record.post_id and news.post_id and news.post_id != record.post_id:
            self.notes.append(
                f"{path}: {RAW}/{key}.json is post {record.post_id}, and is not mixed with {news.post_id}"
            )
            return
        if news.page is None and record.page is not None:
            news = msgspec.structs.replace(news, md5="", urls=())  # a file's own, and nobody says of which
        if is_older(record, news):
            self.num_older += 1
            return
        taken = refresh(record, news, lambda: _said_last(record))
        if taken is None:
            self.num_same += 1
            return
        self._now[key] = taken.record
        self._news.setdefault(key, []).append((path, taken))

    def _record(self, key: str) -> Record | None:
        """As it stands; only records that took news in are held, since all of them would fill the memory."""
        if key in self._now:
            return self._now[key]
        blob = self._blobs.get(key)
        data = self._made.get(key) or (self._dataset.objects.read(blob) if blob else b"")
        if not data:
            self.notes.append(f"{RAW}/{key} has no record, so nothing of it is refreshed")
            return None
        try:
            return decode_record(data, path=f"{RAW}/{key}.json")
        except InputError as error:
            self.notes.append(error.message)
            return None

    def changes(self) -> list[Change]:
        """What the news changes, by item."""
        return [
            Change(
                key=key,
                path=path,
                added=one.added,
                removed=one.removed,
                moved=one.moved,
                fields=one.fields,
                disputes=one.disputes,
            )
            for key, news in sorted(self._news.items())
            for path, one in news
        ]

    def rewritten(self) -> Iterator[tuple[str, bytes]]:
        """Key and content of every record that took news in."""
        return ((key, encode_json(self._now[key])) for key in sorted(self._news))


def _said_last(record: Record) -> Scraped | None:
    """What the site said last time, read again from what is kept verbatim."""
    if record.upstream is None:
        return Scraped() if not record.site else None
    if not record.seen:
        return first_reading(record.upstream)
    facts = read_facts(record.upstream, site=record.site)
    return facts.scraped if facts else None


def refresh_items(
    project: Project, path: Path, *, source: str = "", is_dry: bool = False, progress: Progress = silent
) -> RefreshReport:
    """Take newer metadata of the dataset's items out of a folder, archive or file; no image is imported.

    Raises:
        InputError: no such path, or nothing in it.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder", hint="give what the scraper wrote")
    with draft(project.dataset, "refresh", {"path": str(path), "from": source}, is_dry=is_dry) as (txn, scratch):
        gathered = gather(path, source=source, most_frames=0, scratch=scratch, progress=progress)
        report = _refreshed(txn, gathered, is_dry=is_dry, progress=progress)
        if report.changes and not is_dry:
            report.commit = txn.commit(_subject(report)) or ""
    return report


def _refreshed(txn: Transaction, gathered: Gathered, *, is_dry: bool, progress: Progress) -> RefreshReport:
    items = read_items(txn.dataset, stage_tree(txn.dataset, txn.base_tree, RAW))
    posts, records = Posts(txn.dataset, items), Records(txn.dataset, items)
    listing = gathered.listing
    report = RefreshReport(recognised=dict(listing.recognised), is_dry=is_dry, aside=list(listing.aside))
    rows = list(_told(gathered))
    for number, (scraped, name, problems, file) in enumerate(rows, 1):
        report.notes += problems
        keys = posts.matching(scraped, name) or (_of_file(posts, file) if file else [])
        for key in keys:
            records.hear(key, scraped, name)
        if not keys:
            report.unknown.append(Aside(name, "of no item of the dataset"))
        progress("refresh", number, len(rows))
    report.changes = records.changes()
    report.notes += records.notes
    report.num_same, report.num_older = records.num_same, records.num_older
    for key, data in records.rewritten():
        txn.put(f"{RAW}/{key}.json", data)
    return report


def _told(gathered: Gathered) -> Iterator[tuple[Scraped, str, tuple[str, ...], Path | None]]:
    """(metadata, the file's name, what is wrong with it, the image if there is one) of everything that has some."""
    for found in gathered.listing.found:
        if found.scraped is not None:
            file = gathered.folder.path_of(found.image)
            yield found.scraped, found.sidecar or found.image, found.problems, file
    for loose in gathered.listing.loose:
        yield loose.scraped, loose.path, loose.problems, None


def _of_file(posts: Posts, file: Path) -> list[str]:
    """Items with the very image that lies beside the metadata."""
    try:
        return posts.of_content(hash_only(file, "").sha256)
    except InputError:
        return []  # an image that cannot be read identifies nothing


def _subject(report: RefreshReport) -> str:
    origin = " and ".join(name.replace("_", "-") for name in report.recognised)
    return f"refresh: {Counted(len({one.key for one in report.changes}), 'record')} from {origin}"
