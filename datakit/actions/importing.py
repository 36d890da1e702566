"""dsk import: a scraped folder into raw, nothing overwritten, nothing lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from datakit.actions.ingesting import Ingested, Read, ingest_all, read_text
from datakit.actions.project import Counted, Project
from datakit.errors import InputError, UsageError
from datakit.model.item import ImageRef, concept_of, split_path
from datakit.model.naming import one_line, safe_name
from datakit.model.order import ORDER, RAW
from datakit.model.progress import Progress, silent
from datakit.model.record import decode_record
from datakit.repo.dataset import Dataset
from datakit.repo.operations.transaction import Transaction, transaction
from datakit.repo.stagetree import ItemFiles, read_items, stage_tree
from datakit.sources.model import SOURCES, Aside, Folder, Found, Listing, is_dataset


class ImportReport(msgspec.Struct, kw_only=True):
    """What an import did with each file of the folder."""

    source: str
    commit: str = ""
    concepts: dict[str, int] = msgspec.field(default_factory=dict)
    """Concept → number of images imported."""
    already: list[str] = msgspec.field(default_factory=list)
    """Images that were in the dataset, name and content."""
    renamed: dict[str, str] = msgspec.field(default_factory=dict)
    """Image → item key, where another image had the name."""
    portable: dict[str, str] = msgspec.field(default_factory=dict)
    """Image → item key, where the file's or the concept's name could not be held everywhere."""
    orphans: dict[str, str] = msgspec.field(default_factory=dict)
    """Caption without an image → its path in the dataset."""
    adopted: dict[str, str] = msgspec.field(default_factory=dict)
    """Caption → its path beside an image that the dataset had without one."""
    aside: list[Aside] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    """Sidecars and captions that are not what they should be."""
    failed: list[Aside] = msgspec.field(default_factory=list)
    """Files that could not be read."""

    @property
    def num_imported(self) -> int:
        """Images new in the dataset."""
        return sum(self.concepts.values())


def import_folder(
    project: Project, path: Path, *, concept: str = "", source: str = "", progress: Progress = silent
) -> ImportReport:
    """Import a folder as one operation; a name that other content has gets `-<6 hex of sha256>`.

    Raises:
        InputError: no such folder, or nothing to import in it.
        UsageError: the folder is a stage of this dataset.
    """
    folder = Folder(_checked(project.dataset, path))
    chosen = SOURCES.load(source) if source else max(SOURCES.all(), key=lambda one: one.detect(folder))
    found = chosen.scan(folder)
    if not found.found and not found.orphans:
        left = Counter(aside.reason for aside in found.aside)
        seen = ", ".join(f"{number} {reason}" for reason, number in left.most_common(3))
        raise InputError(
            f"{path}: no images in it" + (f", only: {seen}" if seen else ""),
            hint="images are known by their extension, such as .png or .webp",
        )
    report = ImportReport(source=chosen.name, aside=list(found.aside))
    with transaction(project.dataset, "import", {"path": str(path), "concept": concept, "from": source}) as txn:
        running = _Import(txn, folder, report, concept)
        running.take(found, progress)
        if report.num_imported or report.orphans or report.adopted:
            report.commit = txn.commit(_subject(report)) or ""
    return report


def _checked(dataset: Dataset, path: Path) -> Path:
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "no such folder"
        raise InputError(f"{path}: {what}", hint="give the folder that the scraper wrote")
    folder = path.resolve()
    if dataset.root.resolve().is_relative_to(folder):
        raise UsageError(f"{path}: the dataset itself lies in it", hint="give the folder that the scraper wrote")
    if is_dataset(folder):
        raise UsageError(f"{path}: is a dataset itself", hint=f"dsk import {path / RAW}")
    for stage in ORDER:
        if folder.is_relative_to((dataset.root / stage).resolve()):
            raise UsageError(f"{path}: is the dataset's own {stage}", hint="its files belong to the dataset already")
    return folder


def _subject(report: ImportReport) -> str:
    parts = [str(Counted(report.num_imported, "image"))] if report.num_imported else []
    if report.orphans:
        parts.append(f"{Counted(len(report.orphans), 'caption')} without image")
    if report.adopted:
        parts.append(f"{Counted(len(report.adopted), 'caption')} of known images")
    where = f" ({Counted(len(report.concepts), 'concept')})" if report.concepts else ""
    return f"import: {', '.join(parts)} from {report.source.replace('_', '-')}{where}"


class _Holder(msgspec.Struct):
    """What has a name already."""

    key: str
    """The name as it is spelled."""
    image: str = ""
    """sha256; '' also where `blob` is not looked into yet."""
    blob: bytes | None = None
    """Of the image's pointer, where the dataset had it before."""
    path: str = ""
    """Of the image, inside raw."""
    caption: bytes | None = None
    has_record: bool = False

    @property
    def has_image(self) -> bool:
        """Whether an image has the name."""
        return bool(self.image) or self.blob is not None


class _Import:
    """Names and files of one running import."""

    def __init__(self, txn: Transaction, folder: Folder, report: ImportReport, concept: str) -> None:
        self.txn = txn
        self.folder = folder
        self.report = report
        self.concept = concept
        self.now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        items = read_items(txn.dataset, stage_tree(txn.dataset, txn.base_tree, RAW))
        self.items = items
        self.keys = _keys_by_image(items)
        self.taken = _taken(items)
        self.captions = _captions(items)

    def take(self, found: Listing, progress: Progress) -> None:
        """Put every image, record and caption of the listing into the transaction."""
        counts: Counter[str] = Counter()
        self._note_shared(found.found)
        ingested = ingest_all(self.txn.dataset, self.folder, found.found, self.now)
        for number, (row, done) in enumerate(zip(found.found, ingested, strict=True), 1):
            if done.ref is None:
                self.report.failed.append(Aside(row.image, done.problem))
            else:
                key = self._place(row, done.ref, done)
                if key:
                    counts[concept_of(key)] += 1
            if row.problem:
                self.report.notes.append(row.problem)
            progress("import", number, len(found.found))
        for path in found.orphans:
            self._place_orphan(path)
        self.report.concepts = dict(sorted(counts.items()))

    def _note_shared(self, rows: list[Found]) -> None:
        images: dict[str, list[str]] = {}
        for row in rows:
            images.setdefault(row.caption, []).append(row.image)
        for caption, sharing in images.items():
            if caption and len(sharing) > 1:
                self.report.notes.append(f"{caption}: belongs to {' and '.join(sharing)}; each gets a copy")

    def _named(self, path: str) -> tuple[str, str]:
        """Concept and stem that a file's own name says."""
        folder, _, name = path.rpartition("/")
        return self.concept or folder.rpartition("/")[2] or self.folder.root.name, split_path(name)[0]

    def _key(self, path: str) -> str:
        return "/".join(map(safe_name, self._named(path)))

    def _place(self, row: Found, ref: ImageRef, done: Ingested) -> str:
        caption = self._caption(row.caption, done.caption)
        key = self._key(row.image)
        names = (key, f"{key}-{ref.sha256[:6]}", f"{key}-{ref.sha256}")
        known = self._known(row, ref, names)
        if known is not None:
            self.report.already.append(row.image)
            self._compare(row.caption, caption, known)
            return ""
        for wanted in names:
            holder = self.taken.setdefault(wanted.casefold(), _Holder(wanted))
            if not holder.has_image and not holder.has_record and holder.caption in {None, caption}:
                break
        if wanted != key:
            self.report.renamed[row.image] = wanted
        elif key != "/".join(self._named(row.image)):
            self.report.portable[row.image] = wanted
        self.txn.put_image(f"{RAW}/{wanted}.{ref.extension}", ref)
        self.txn.put(f"{RAW}/{wanted}.json", done.record)
        if caption is not None:
            self.txn.put_blob(f"{RAW}/{wanted}.txt", caption)
        holder.image, holder.has_record, holder.caption = ref.sha256, True, caption or holder.caption
        return wanted

    def _known(self, row: Found, ref: ImageRef, names: Iterable[str]) -> _Holder | None:
        """The item that the image is already: under the name it would get, or renamed since it came from here."""
        for name in names:
            holder = self.taken.get(name.casefold())
            if holder is not None and _sha256(self.txn.dataset, holder) == ref.sha256:
                return holder
        dataset = self.txn.dataset
        for key in self.keys.get(dataset.pointer_blob(ref), ()):
            record = self.items[key].record
            if record is not None and _is_from(dataset, key, record, row):
                return self.taken[key.casefold()]
        return None

    def _compare(self, path: str, caption: bytes | None, holder: _Holder) -> None:
        """The caption of an image that was here already: taken where there is none, else only told of."""
        if caption is None or caption == holder.caption:
            return
        if holder.caption is None:
            self._adopt(path, caption, holder)
        else:
            self.report.notes.append(f"{path}: {RAW}/{holder.key}.txt says something else, and stays")

    def _adopt(self, path: str, caption: bytes, holder: _Holder) -> None:
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
        return self.txn.dataset.objects.blob(read.data)

    def _place_orphan(self, path: str) -> None:
        blob = self._caption(path, read_text(self.folder, path))
        if blob is None:
            return
        key = self._key(path)
        if blob in self.captions.get(concept_of(key), ()):
            self.report.already.append(path)
            return
        for wanted in (key, f"{key}-{blob.hex()[:6]}", f"{key}-{blob.hex()}"):
            holder = self.taken.setdefault(wanted.casefold(), _Holder(wanted))
            if holder.caption in {None, blob}:
                break
        if holder.has_image:
            self._adopt(path, blob, holder)
            return
        holder.caption = blob
        self.txn.put_blob(f"{RAW}/{wanted}.txt", blob)
        self.report.orphans[path] = f"{RAW}/{wanted}.txt"


def _captions(items: Mapping[str, ItemFiles]) -> dict[str, set[bytes]]:
    """Concept → blob ids of its captions: one that lint gave its right name is not brought in again."""
    found: dict[str, set[bytes]] = {}
    for key, item in items.items():
        if item.caption is not None:
            found.setdefault(concept_of(key), set()).add(item.caption)
    return found


def _keys_by_image(items: Mapping[str, ItemFiles]) -> dict[bytes, list[str]]:
    """Blob id of an image's pointer → keys of the items that have it."""
    found: dict[bytes, list[str]] = {}
    for key, item in items.items():
        for blob in item.images.values():
            found.setdefault(blob, []).append(key)
    return found


def _is_from(dataset: Dataset, key: str, blob: bytes, row: Found) -> bool:
    """Whether an item's record names this file as where its image came from.

    The same folder may be imported from further up or further down, so one path may be the end of the other.
    """
    try:
        record = decode_record(dataset.objects.read(blob), path=f"{RAW}/{key}.json", upstream=False)
    except InputError:
        return False
    paths = sorted((f"/{one_line(record.original)}", f"/{one_line(row.image)}"), key=len)
    return paths[1].endswith(paths[0])


def _sha256(dataset: Dataset, holder: _Holder) -> str:
    """Of the image that has the name; its pointer is read when it is asked for, since most never are."""
    if not holder.image and holder.blob is not None:
        ref = dataset.image_ref(f"{RAW}/{holder.path}", holder.blob)
        holder.image = ref.sha256 if ref else holder.blob.hex()
    return holder.image


def _taken(items: Mapping[str, ItemFiles]) -> dict[str, _Holder]:
    """Case-folded item key → what raw holds under it."""
    found: dict[str, _Holder] = {}
    for key, item in items.items():
        holder = found.setdefault(key.casefold(), _Holder(key))
        holder.caption, holder.has_record = item.caption or holder.caption, item.record is not None
        for path, blob in item.images.items():
            holder.path, holder.blob = path, blob
    return found
