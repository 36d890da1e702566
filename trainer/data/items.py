"""The pictures and captions of a dataset: found, measured, and checked before anything is trained.

Pictures lie directly in image_dir (no subfolders, no hidden files), in the formats of `decoding.extensions`, or are
listed by a metadata file. A caption is the first line of `<stem><caption_extension>`, UTF-8; with enable_wildcard
every line that is not blank is an alternative. A byte-order mark at its start is not part of the caption.
A picture `<stem>_<x>_<y>_<w>_<h>` without a caption of its own has that of `<stem>`.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.data import caption_files, captions, fine_tune, masks
from trainer.data.buckets import Fit, fit
from trainer.data.decoding import extensions, read_size
from trainer.data.subsets import ImageSet, Subset
from trainer.errors import DatasetError, some

_SEED_WITHOUT = 0
_OTHER_PICTURES = {".avif", ".jxl", ".gif", ".tif", ".tiff", ".heic"}


@dataclass(frozen=True)
class Item:
    """One picture and what is trained with it."""

    path: Path
    captions: tuple[str, ...]
    """Alternatives; one unless enable_wildcard is on."""
    size_px: tuple[int, int]
    """After the orientation that its EXIF asks for."""
    fit: Fit
    set_number: int
    set: ImageSet
    subset: Subset
    mask_path: Path | None = None
    loss_weight: float = 1.0
    is_held_out: bool = False
    """Not trained: there to measure with."""
    digest: str = ""
    """sha256 of the file; empty until `with_digests`."""
    mask_digest: str = ""
    """The same of the mask."""

    @property
    def caption(self) -> str:
        """The first alternative."""
        return self.captions[0]

    @property
    def interpolation(self) -> str:
        """How it is resized."""
        return self.subset.interpolation or self.set.interpolation

    @property
    def is_counted(self) -> bool:
        """Whether an epoch is made of it: neither held out nor a regularization picture."""
        return not self.is_held_out and not self.subset.is_reg


@dataclass(frozen=True)
class Dataset:
    """All pictures, in a fixed order, and what a person should know about them."""

    items: tuple[Item, ...]
    notes: tuple[str, ...]
    """One sentence each: not wrong, yet seldom meant."""

    @property
    def trained(self) -> tuple[Item, ...]:
        """The pictures without those held out."""
        return tuple(item for item in self.items if not item.is_held_out)

    @property
    def num_repeats(self) -> int:
        """Pictures per epoch, each as often as it is repeated, without regularization and held-out ones."""
        return sum(item.subset.num_repeats for item in self.items if item.is_counted)

    def bucket_counts(self) -> Counter[tuple[int, int]]:
        """The same per bucket size."""
        counts: Counter[tuple[int, int]] = Counter()
        for item in self.items:
            if item.is_counted:
                counts[item.fit.bucket_px] += item.subset.num_repeats
        return counts

    @property
    def largest_px(self) -> tuple[int, int]:
        """The bucket of most pixels; (0, 0) without pictures."""
        return max(self.bucket_counts(), key=lambda size: size[0] * size[1], default=(0, 0))

    def tag_counts(self) -> dict[str, int]:
        """Tag -> repeats per epoch of the pictures that have it, in any of their captions; only tags that may move."""
        counts: Counter[str] = Counter()
        for item in self.items:
            if item.is_counted:
                for tag in captions.movable_tags(item.captions, item.subset.captions):
                    counts[tag] += item.subset.num_repeats
        return dict(counts)

    def digest(self) -> str:
        """Hex sha256 of all that decides what is trained: contents, captions, settings. Needs digests."""
        sums = hashlib.sha256()
        for item in self.items:
            if not item.is_held_out:
                sums.update(repr(_deciding(item)).encode())
        return sums.hexdigest()


def find(sets: Sequence[ImageSet]) -> Dataset:
    """Every picture of every subset with its captions and bucket. Raises DatasetError."""
    items: list[Item] = []
    notes: list[str] = []
    for number, image_set in enumerate(sets):
        notes += image_set.notes
        own = [item for subset in image_set.subsets for item in _items(image_set, subset, notes=notes)]
        items += [replace(item, set_number=number) for item in own]
        notes += _set_notes(image_set, own)
    if not any(item.is_counted for item in items):
        raise DatasetError(
            "nothing is trained: all pictures are held out or regularization pictures",
            hint="add a subset without is_reg to a dataset whose validation_split is below 1",
        )
    return Dataset(tuple(items), tuple(dict.fromkeys(notes)))


def with_digests(dataset: Dataset) -> Dataset:
    """The same dataset with the sha256 of each file and mask. Raises DatasetError."""
    return replace(dataset, items=tuple(_with_digest(item) for item in dataset.items))


def require_stride(dataset: Dataset, stride_px: int) -> None:
    """Raises DatasetError where a bucket is no whole number of latents."""
    for item in dataset.items:
        if any(side % stride_px or not side for side in item.fit.bucket_px):
            width, height = item.fit.bucket_px
            raise DatasetError(
                f"{item.path}: its bucket {width}x{height} is not a multiple of {stride_px} px",
                hint=f"make resolution and bucket_reso_steps multiples of {stride_px}",
            )


def held_out(paths: Sequence[Path], split: float, *, seed: int) -> set[Path]:
    """Those that sd-scripts holds out: the last of the sorted paths, shuffled (library/train_util.py,
    split_train_val). One that it both trains and holds out, where the share is no whole number, is held out.
    """
    shuffled = sorted(paths)
    random.Random(seed).shuffle(shuffled)
    return set(shuffled[len(shuffled) - round(len(shuffled) * split) :])


def _items(image_set: ImageSet, subset: Subset, *, notes: list[str]) -> list[Item]:
    texts = fine_tune.read(subset) if subset.metadata_file else caption_files.read(subset, _pictures(subset, notes))
    captions = caption_files.judged(subset, texts, notes=notes)
    found_masks = masks.find(subset, list(captions), notes=notes)
    apart: set[Path] = set()
    if image_set.validation_split and not subset.is_reg:
        seed = _SEED_WITHOUT if image_set.validation_seed is None else image_set.validation_seed
        apart = held_out(list(captions), image_set.validation_split, seed=seed)
    _note_weights(subset, list(captions), notes=notes)
    items = []
    for path, lines in captions.items():
        size = read_size(path)
        mask = found_masks.get(path)
        if mask is not None:
            masks.check_size(mask, size)
        placed = fit(image_set.buckets, size, random_crop=subset.random_crop)
        weight = subset.loss_weights.get(path.name, subset.loss_weight)
        items.append(Item(path, lines, size, placed, 0, image_set, subset, mask, weight, path in apart))
    return items


def _pictures(subset: Subset, notes: list[str]) -> list[Path]:
    try:
        entries = sorted(path for path in subset.image_dir.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DatasetError(
            f"{subset.image_dir}: cannot be listed ({error.strerror})", hint="check its permissions"
        ) from None
    known = extensions()
    paths = [path for path in entries if path.suffix.lower() in known and path.is_file()]
    other = [path.name for path in entries if path.suffix.lower() in _OTHER_PICTURES - known]
    if other:
        notes.append(f"{subset.image_dir}: formats that are not read: {some(other)}")
    if not paths:
        below = any(path.is_dir() for path in entries)
        expected = ", ".join(sorted(known))
        hint = "subfolders are not searched: give each its own subset" if below else f"expected {expected}"
        raise DatasetError(f"{subset.image_dir}: no pictures directly in this folder", hint=hint)
    shared = [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]
    if shared:
        notes.append(f"{subset.image_dir}: pictures that share one caption: {some(shared)}")
    return paths


def _note_weights(subset: Subset, paths: Sequence[Path], *, notes: list[str]) -> None:
    names = {path.name for path in paths}
    lacking = [name for name in subset.loss_weights if name not in names]
    if lacking:
        notes.append(f"{subset.image_dir}: loss_weights of files that are not there: {some(lacking)}")


def _set_notes(image_set: ImageSet, items: Sequence[Item]) -> list[str]:
    notes = []
    if 0 < image_set.validation_split < 1 and image_set.validation_seed is None:
        notes.append("without a validation_seed, pictures are held out by seed 0; sd-scripts draws anew each time")
    if any(item.subset.is_reg for item in items) and not any(item.is_counted for item in items):
        folders = dict.fromkeys(str(item.subset.image_dir) for item in items if item.subset.is_reg)
        notes.append(f"regularization pictures in a dataset without others are not used: {some(folders)}")
    return notes


def _deciding(item: Item) -> tuple[object, ...]:
    rule = replace(item.subset, image_dir=Path(), mask_dir=None, metadata_file=None, class_tokens="", loss_weights={})
    group = (item.set_number, item.set.batch_size, item.interpolation, item.fit)
    return (item.digest, item.mask_digest, item.captions, item.loss_weight, rule, group)


def _with_digest(item: Item) -> Item:
    return replace(
        item,
        digest=_sha256(item.path),
        mask_digest=_sha256(item.mask_path) if item.mask_path else "",
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})", hint="check its permissions") from None
