"""dsk import: scrapes into raw, nothing overwritten, nothing lost, newer metadata into the records."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from datakit.actions.drafting import draft
from datakit.actions.gathering import Gathered, gather
from datakit.actions.ingesting import Ingested, Picture, Read, hash_only, ingest_all, read_text
from datakit.actions.placing import Holder, Names, named, portable, wanted_names
from datakit.actions.project import Counted, Project
from datakit.actions.refreshing import Change, Records
from datakit.errors import InputError, UsageError
from datakit.model.item import ImageRef, concept_of, split_path
from datakit.model.order import ORDER, RAW
from datakit.model.progress import Progress, silent
from datakit.model.record import Scraped
from datakit.repo.dataset import Dataset
from datakit.repo.operations.transaction import Transaction
from datakit.repo.posts import Posts, known_md5, post_of
from datakit.repo.stagetree import read_items, stage_tree
from datakit.sources.folders.files import Aside
from datakit.sources.folders.walk import is_dataset
from datakit.sources.model import Loose


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """How a person wants a folder to be imported."""

    concept: str = ""
    """One concept for all images, not one per folder."""
    source: str = ""
    """Read as this format instead of looking."""
    most_frames: int = 0
    """How many images to take out of each moving picture; 0 leaves moving pictures aside."""
    is_dry: bool = False
    """Only say what would be done."""


class ImportReport(msgspec.Struct, kw_only=True):
    """What an import did with each file; images and files by their paths in the folder, items by their keys."""

    recognised: dict[str, int] = msgspec.field(default_factory=dict)
    """Source → number of images and of metadata without image that it read."""
    sites: dict[str, int] = msgspec.field(default_factory=dict)
    """Site → number of images with its metadata."""
    is_dry: bool = False
    commit: str = ""
    concepts: dict[str, int] = msgspec.field(default_factory=dict)
    """Concept → number of images imported."""
    already: list[str] = msgspec.field(default_factory=list)
    """Images that were in the dataset, name and content."""
    same_post: dict[str, str] = msgspec.field(default_factory=dict)
    """Image → the item that is the same post with the same content, from another folder; not imported again."""
    renamed: dict[str, str] = msgspec.field(default_factory=dict)
    """Image → item, where another image had the name."""
    portable: dict[str, str] = msgspec.field(default_factory=dict)
    """Image → item, where the file's or the concept's name could not be held everywhere."""
    twins: dict[str, str] = msgspec.field(default_factory=dict)
    """Image → another item with the very same content; both are there."""
    crossposts: dict[str, str] = msgspec.field(default_factory=dict)
    """Image → an item that is the same image from another site, by content or md5; both are there."""
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    """Image → an item of the same post with other content; both are there."""
    bare: list[str] = msgspec.field(default_factory=list)
    """Images without metadata in folders whose other images have some."""
    md5_differs: list[str] = msgspec.field(default_factory=list)
    """Images whose md5 is not the one that the site names; normal for re-encoded files."""
    refreshed: list[Change] = msgspec.field(default_factory=list)
    """Records that took newer metadata in."""
    recorded: dict[str, str] = msgspec.field(default_factory=dict)
    """Image → its record's path, where the dataset had the image without one."""
    matched: list[str] = msgspec.field(default_factory=list)
    """Metadata without an image here, of an item that the dataset has."""
    loose: list[Aside] = msgspec.field(default_factory=list)
    """Metadata without an image, here or in the dataset."""
    orphans: dict[str, str] = msgspec.field(default_factory=dict)
    """Caption without an image → its path in the dataset."""
    adopted: dict[str, str] = msgspec.field(default_factory=dict)
    """Caption → its path beside an image that the dataset had without one."""
    aside: list[Aside] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    """Metadata and captions that are not what they should be."""
    failed: list[Aside] = msgspec.field(default_factory=list)
    """Files that could not be read."""

    @property
    def num_imported(self) -> int:
        """Images new in the dataset."""
        return sum(self.concepts.values())

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.num_imported or self.orphans or self.adopted or self.recorded or self.refreshed)


def import_folder(
    project: Project, path: Path, wishes: Wishes | None = None, *, progress: Progress = silent
) -> ImportReport:
    """Import a folder, an archive or a file of metadata as one operation.

    A name that other content has gets `-<6 hex of sha256>`.

    Raises:
        InputError: no such folder, or nothing to import in it.
        UsageError: the folder is a stage of this dataset, or there is no such format.
    """
    wishes = wishes or Wishes()
    checked(project.dataset, path)
    args = {"path": str(path), "concept": wishes.concept, "from": wishes.source, "frames": wishes.most_frames}
    with draft(project.dataset, "import", args, is_dry=wishes.is_dry) as (txn, scratch):
        gathered = gather(
            path, source=wishes.source, most_frames=wishes.most_frames, scratch=scratch, progress=progress
        )
        report = ImportReport(recognised=dict(gathered.listing.recognised), is_dry=wishes.is_dry)
        report.aside = list(gathered.listing.aside)
        report.notes = list(gathered.problems)
        _Import(project, txn, gathered, report, wishes).run(progress)
        if not wishes.is_dry and report.has_changes:
            report.commit = txn.commit(_subject(report)) or ""
    return report


def checked(dataset: Dataset, path: Path) -> None:
    """Refuse what is nothing to import from.

    Raises:
        InputError: it is not there.
        UsageError: it is a dataset, or a part of this one.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder", hint="give the folder that the scraper wrote")
    folder = path.resolve()
    if dataset.root.resolve().is_relative_to(folder):
        raise UsageError(f"{path}: the dataset itself lies in it", hint="give the folder that the scraper wrote")
    if is_dataset(folder):
        raise UsageError(f"{path}: is a dataset itself", hint=f"dsk import {path / RAW}")
    for stage in ORDER:
        if folder.is_relative_to((dataset.root / stage).resolve()):
            raise UsageError(f"{path}: is the dataset's own {stage}", hint="its files belong to the dataset already")


def _subject(report: ImportReport) -> str:
    parts = [str(Counted(report.num_imported, "image"))] if report.num_imported else []
    if report.orphans:
        parts.append(f"{Counted(len(report.orphans), 'caption')} without image")
    if report.adopted:
        parts.append(f"{Counted(len(report.adopted), 'caption')} of known images")
    if report.recorded:
        parts.append(f"{Counted(len(report.recorded), 'record')} of known images")
    if report.refreshed:
        parts.append(f"{Counted(len({one.key for one in report.refreshed}), 'record')} refreshed")
    where = f" ({Counted(len(report.concepts), 'concept')})" if report.concepts else ""
    origin = " and ".join(name.replace("_", "-") for name in report.recognised) or "captions"
    return f"import: {', '.join(parts)} from {origin}{where}"


class _Import:
    """One running import."""

    def __init__(
        self, project: Project, txn: Transaction, gathered: Gathered, report: ImportReport, wishes: Wishes
    ) -> None:
        self.txn = txn
        self.gathered = gathered
        self.report = report
        self.wishes = wishes
        self.dataset = project.dataset
        items = read_items(self.dataset, stage_tree(self.dataset, txn.base_tree, RAW))
        self.posts = Posts(self.dataset, items)
        self.names = Names(self.dataset, items, self.posts)
        self.records = Records(self.dataset, items)
        self.counts: Counter[str] = Counter()
        self.num_of_post = Counter(post_of(row.found.scraped) for row in gathered.pictures)
        """Images of one post without page numbers are pages of it, not versions."""

    def run(self, progress: Progress) -> None:
        """Put every image, record and caption of the listing into the transaction."""
        rows, folder = self.gathered.pictures, self.gathered.folder
        self._note_shared(rows)
        take = hash_only if self.wishes.is_dry else self.dataset.lfs.ingest
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        for number, (row, done) in enumerate(zip(rows, ingest_all(take, folder, rows, now), strict=True), 1):
            if done.ref is None:
                self.report.failed.append(Aside(row.path, done.problem))
            else:
                self._place(row, done.ref, done)
            self.report.notes += row.found.problems
            progress("import", number, len(rows))
        for path in self.gathered.listing.orphans:
            self._place_orphan(path)
        for loose in self.gathered.listing.loose:
            self._take_loose(loose)
        sites = (row.found.scraped.site for row in rows if row.found.scraped)
        self.report.sites = dict(Counter(filter(None, sites)).most_common())
        self.report.bare = list(_without_metadata(rows))
        self.report.concepts = dict(sorted(self.counts.items()))
        self.report.refreshed = self.records.changes()
        self.report.notes += self.records.notes
        for key, record in self.records.rewritten():
            self.txn.put(f"{RAW}/{key}.json", record)

    def _note_shared(self, rows: Sequence[Picture]) -> None:
        images: dict[str, dict[str, None]] = {}
        for row in rows:
            images.setdefault(row.found.caption, {})[row.found.image] = None
        for caption, sharing in images.items():
            if caption and len(sharing) > 1:
                self.report.notes.append(f"{caption}: belongs to {' and '.join(sharing)}; each gets a copy")

    def _place(self, row: Picture, ref: ImageRef, done: Ingested) -> None:
        """An image under its name, or as the item that it is already."""
        caption = self._caption(row.found.caption or row.found.sidecar or row.found.image, done.caption)
        concept, stem = named(row, concept=self.wishes.concept, root=self.gathered.folder.name)
        key = portable(concept, stem)
        names = wanted_names(key, ref.sha256)
        if done.md5 and done.md5 != known_md5(row.found.scraped):
            self.report.md5_differs.append(row.path)
        known, content = self.names.by_name(ref, names), list[str]()
        if known is None:
            content = self.names.of_content(ref)
            known = self.names.by_origin(row, content)
        if known is not None:
            self._meet(row, caption, done.record, *known)
            return
        left = self.names.left_behind(row, ref, names)
        if left is not None:
            self._return(row, ref, caption, left)
            return
        holder = self._free(names, caption)
        if holder.key != key:
            self.report.renamed[row.path] = holder.key
        elif key != f"{concept}/{stem}":
            self.report.portable[row.path] = holder.key
        self._tell_relatives(row, content)
        self.txn.put_image(f"{RAW}/{holder.key}.{ref.extension}", ref)
        self.txn.put(f"{RAW}/{holder.key}.json", done.record)
        if caption is not None:
            self.txn.put_blob(f"{RAW}/{holder.key}.txt", caption)
        holder.image, holder.has_record, holder.caption = ref.sha256, True, caption or holder.caption
        self.posts.add(holder.key, row.found.scraped or Scraped(), ref.sha256, row.found.image)
        self.records.add(holder.key, done.record)
        self.counts[concept_of(holder.key)] += 1

    def _free(self, names: Sequence[str], caption: bytes | None) -> Holder:
        """The first name that no image, record or other caption has."""
        holder = self.names.holder(names[0])
        for wanted in names:
            holder = self.names.holder(wanted)
            if not holder.has_image and not holder.has_record and holder.caption in {None, caption}:
                break
        return holder

    def _tell_relatives(self, row: Picture, content: Sequence[str]) -> None:
        """Which items are the same post or the same content (those of `content`), under other names."""
        if row.frame is not None:
            return
        scraped = row.found.scraped
        site = scraped.site if scraped else ""
        alike = content or self.posts.of_said_md5(known_md5(scraped))
        sites = {key: self.posts.origins[key].site for key in alike if key in self.posts.origins}
        elsewhere = [key for key, other in sites.items() if other not in {site, ""}] if site else []
        if elsewhere:
            self.report.crossposts[row.path] = elsewhere[0]
        elif content:
            self.report.twins[row.path] = content[0]
        post = post_of(scraped)
        versions = self.posts.of_post(post) if self.num_of_post[post] == 1 else []
        if versions and versions[0] not in content:
            self.report.versions[row.path] = versions[0]

    def _meet(self, row: Picture, caption: bytes | None, record: bytes, holder: Holder, how: str) -> None:
        """An image that is here already: its caption and its metadata may be new."""
        if how == "post":
            self.report.same_post[row.path] = holder.key
        else:
            self.report.already.append(row.path)
        if not holder.has_record:
            self.txn.put(f"{RAW}/{holder.key}.json", record)
            holder.has_record = True
            self.posts.add(holder.key, row.found.scraped or Scraped(), holder.image, row.found.image)
            self.records.add(holder.key, record)
            self.report.recorded[row.path] = f"{RAW}/{holder.key}.json"
        self._take_words(row, caption, holder)

    def _return(self, row: Picture, ref: ImageRef, caption: bytes | None, holder: Holder) -> None:
        """An image that was removed from beside its record takes its place again."""
        self.txn.put_image(f"{RAW}/{holder.key}.{ref.extension}", ref)
        holder.image = ref.sha256
        self.counts[concept_of(holder.key)] += 1
        self._take_words(row, caption, holder)

    def _take_words(self, row: Picture, caption: bytes | None, holder: Holder) -> None:
        """The caption and the metadata that come with an image of an item that is there."""
        path = row.found.caption or row.found.sidecar
        if caption is not None and holder.caption is None:
            self._adopt(path, caption, holder)
        elif caption is not None and caption != holder.caption:
            self.report.notes.append(f"{path}: {RAW}/{holder.key}.txt says something else, and stays")
        if row.found.scraped is not None:
            self.records.hear(holder.key, row.found.scraped, row.found.sidecar or row.path)

    def _take_loose(self, loose: Loose) -> None:
        """Metadata whose image is not in the folder: for an item of the dataset, or left aside."""
        self.report.notes += loose.problems
        keys = self.posts.matching(loose.scraped, loose.path)
        for key in keys:
            self.records.hear(key, loose.scraped, loose.path)
        if keys:
            self.report.matched.append(loose.path)
        else:
            self.report.loose.append(Aside(loose.path, "metadata without its image, here or in the dataset"))

    def _adopt(self, path: str, caption: bytes, holder: Holder) -> None:
        holder.caption = caption
        self.txn.put_blob(f"{RAW}/{holder.key}.txt", caption)
        self.report.adopted[path] = f"{RAW}/{holder.key}.txt"

    def _caption(self, path: str, read: Read) -> bytes | None:
        """Id of a caption's blob; None for no caption, and for one that cannot be read, which is reported."""
        if read.problem:
            self.report.failed.append(Aside(path, read.problem))
        if read.data is None:
            return None
        try:
            read.data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.report.notes.append(
                f"{path}: not UTF-8 (byte {error.start}), so letters of it will be lost: save it as UTF-8"
            )
        return self.dataset.objects.blob(read.data)

    def _place_orphan(self, path: str) -> None:
        blob = self._caption(path, read_text(self.gathered.folder, path))
        if blob is None:
            return
        folder, _, name = path.rpartition("/")
        concept = self.wishes.concept or folder.rpartition("/")[2] or self.gathered.folder.name
        key = portable(concept, split_path(name)[0])
        if self.names.has_caption(concept_of(key), blob):
            self.report.already.append(path)
            return
        holder = self.names.holder(key)
        for wanted in wanted_names(key, blob.hex()):
            holder = self.names.holder(wanted)
            if holder.caption in {None, blob}:
                break
        if holder.has_image:
            self._adopt(path, blob, holder)
            return
        holder.caption = blob
        self.txn.put_blob(f"{RAW}/{holder.key}.txt", blob)
        self.report.orphans[path] = f"{RAW}/{holder.key}.txt"


def _without_metadata(rows: Sequence[Picture]) -> Iterator[str]:
    """Images without metadata in folders where others have some."""
    told = {row.found.image.rpartition("/")[0] for row in rows if row.found.scraped is not None}
    for row in rows:
        if row.found.scraped is None and row.found.image.rpartition("/")[0] in told:
            yield row.path
