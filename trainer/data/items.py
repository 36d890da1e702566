"""The pictures and captions of a dataset: found, measured, and checked before anything is trained.

Pictures lie directly in image_dir (no subfolders), as png, jpg, jpeg, webp or bmp. A caption is the first
line of `<stem><caption_extension>`, UTF-8; a byte-order mark at its start is not part of the caption.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.contracts import Geometry
from trainer.data.buckets import Fit, fit
from trainer.data.dataset_toml import ImageSet, Subset
from trainer.data.images import read_size
from trainer.errors import DatasetError, some

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@dataclass(frozen=True)
class Item:
    """One picture and what is trained with it."""

    path: Path
    caption: str
    size_px: tuple[int, int]
    """After the orientation that its EXIF asks for."""
    fit: Fit
    set_number: int
    set: ImageSet
    subset: Subset
    digest: str = ""
    """sha256 of the file; empty until `with_digests`."""

    @property
    def geometry(self) -> Geometry:
        """Where its pixels come from."""
        return Geometry(self.size_px, self.fit.crop_px, self.fit.bucket_px)


@dataclass(frozen=True)
class Dataset:
    """All pictures, in a fixed order, and what a person should know about them."""

    items: tuple[Item, ...]
    notes: tuple[str, ...]
    """One sentence each: not wrong, yet seldom meant."""

    @property
    def num_repeats(self) -> int:
        """Pictures per epoch, each as often as it is repeated."""
        return sum(item.subset.num_repeats for item in self.items)

    def bucket_counts(self) -> Counter[tuple[int, int]]:
        """Repeats per bucket size."""
        counts: Counter[tuple[int, int]] = Counter()
        for item in self.items:
            counts[item.fit.bucket_px] += item.subset.num_repeats
        return counts

    def digest(self) -> str:
        """Hex sha256 of all that decides what is trained: contents, captions, settings. Needs digests."""
        sums = hashlib.sha256()
        for item in self.items:
            rule = replace(item.subset, image_dir=Path())
            group = (item.set_number, item.set.batch_size, item.set.interpolation, item.fit)
            sums.update(repr((item.digest, item.caption, rule, group)).encode())
        return sums.hexdigest()


def find(sets: Sequence[ImageSet]) -> Dataset:
    """Every picture of every subset with its caption and bucket. Raises DatasetError."""
    items: list[Item] = []
    notes: list[str] = []
    for number, image_set in enumerate(sets):
        for subset in image_set.subsets:
            paths = _pictures(subset, notes)
            captions = _captions(subset, paths, notes=notes)
            for path in paths:
                size = read_size(path)
                items.append(Item(path, captions[path], size, fit(image_set.buckets, size), number, image_set, subset))
    return Dataset(tuple(items), tuple(notes))


def with_digests(dataset: Dataset) -> Dataset:
    """The same dataset with the sha256 of each file. Raises DatasetError."""
    return replace(dataset, items=tuple(replace(item, digest=_sha256(item.path)) for item in dataset.items))


def require_stride(dataset: Dataset, stride_px: int) -> None:
    """Raises DatasetError where a bucket is no whole number of latents."""
    for item in dataset.items:
        if any(side % stride_px or not side for side in item.fit.bucket_px):
            width, height = item.fit.bucket_px
            raise DatasetError(
                f"{item.path}: its bucket {width}x{height} is not a multiple of {stride_px} px",
                hint=f"make resolution and bucket_reso_steps multiples of {stride_px}",
            )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})", hint="check its permissions") from None


def _pictures(subset: Subset, notes: list[str]) -> list[Path]:
    try:
        entries = sorted(subset.image_dir.iterdir())
    except OSError as error:
        raise DatasetError(
            f"{subset.image_dir}: cannot be listed ({error.strerror})", hint="check its permissions"
        ) from None
    paths = [path for path in entries if path.suffix.lower() in EXTENSIONS and path.is_file()]
    if not paths:
        below = any(path.is_dir() for path in entries)
        hint = "subfolders are not searched: give each its own subset" if below else f"expected {', '.join(EXTENSIONS)}"
        raise DatasetError(f"{subset.image_dir}: no pictures directly in this folder", hint=hint)
    shared = [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]
    if shared:
        notes.append(f"{subset.image_dir}: pictures that share one caption: {some(shared)}")
    return paths


def _captions(subset: Subset, paths: Sequence[Path], *, notes: list[str]) -> dict[Path, str]:
    captions: dict[Path, str] = {}
    missing: list[Path] = []
    longer: list[str] = []
    for path in paths:
        source = path.with_suffix(subset.caption_extension)
        if not source.is_file():
            missing.append(path)
            captions[path] = subset.class_tokens
            continue
        lines = _read_text(source).splitlines()
        captions[path] = lines[0].strip() if lines else ""
        if not captions[path]:
            raise DatasetError(
                f"{source}: the caption is empty", hint="write one, or delete the file to use class_tokens"
            )
        if any(line.strip() for line in lines[1:]):
            longer.append(source.name)
    if missing:
        _judge_missing(subset, missing, notes=notes)
    if longer:
        notes.append(f"{subset.image_dir}: only the first line is used of {some(longer)}")
    return captions


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"{path}: the caption is not UTF-8 text (byte {error.start})", hint="save it as UTF-8"
        ) from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})", hint="check its permissions") from None


def _judge_missing(subset: Subset, missing: Sequence[Path], *, notes: list[str]) -> None:
    names = some(path.name for path in missing)
    beside = Counter(
        other.suffix
        for path in missing
        for other in (path.with_suffix(".txt"), path.with_suffix(".caption"))
        if other.suffix != subset.caption_extension and other.is_file()
    )
    hint = f"write captions as <name>{subset.caption_extension}, or set class_tokens"
    if beside:
        suffix, count = beside.most_common(1)[0]
        hint = f'{count} of them have a {suffix} file: set caption_extension = "{suffix}"'
    if not subset.class_tokens:
        raise DatasetError(
            f"{subset.image_dir}: {len(missing)} pictures have no {subset.caption_extension} caption: {names}",
            hint=hint,
        )
    note = f"{subset.image_dir}: class_tokens stand in for {len(missing)} missing captions: {names}"
    notes.append(f"{note} ({hint})" if beside else note)
