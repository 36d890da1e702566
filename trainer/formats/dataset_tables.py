"""The dataset as a LoRA file tells of it: `ss_datasets`, `ss_tag_frequency`, `ss_bucket_info` and their like.

The tables are kohya-ss/sd-scripts:train_network.py's: those of a run with a dataset TOML, and for a single dataset
also those of a run with folders, which older readers look for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from trainer.data.items import Item
from trainer.data.sampler import Entry, reg_quotas
from trainer.data.subsets import ImageSet, Subset


@dataclass(frozen=True)
class Folder:
    """A subset and its pictures that are trained."""

    subset: Subset
    items: tuple[Item, ...]

    @property
    def name(self) -> str:
        """Of the folder or the metadata file, without what is above it."""
        return (self.subset.metadata_file or self.subset.image_dir).name

    @property
    def size(self) -> dict[str, int]:
        """What is told of it."""
        return {"n_repeats": self.subset.num_repeats, "img_count": len(self.items)}

    @property
    def num_draws(self) -> int:
        """Pictures times repeats."""
        return len(self.items) * self.subset.num_repeats


@dataclass(frozen=True)
class Group:
    """A dataset, `[[datasets]]`, and its folders that have pictures."""

    set: ImageSet
    folders: tuple[Folder, ...]

    @property
    def items(self) -> list[Item]:
        """All pictures that are trained."""
        return [item for folder in self.folders for item in folder.items]

    def num_draws(self, *, is_reg: bool) -> int:
        """Pictures times repeats, of the regularization folders or the others."""
        return sum(folder.num_draws for folder in self.folders if folder.subset.is_reg is is_reg)


def groups(items: Sequence[Item]) -> list[Group]:
    """The datasets in their order, without what is held out."""
    sets: dict[int, ImageSet] = {}
    members: dict[tuple[int, int], list[Item]] = {}
    for item in items:
        if not item.is_held_out:
            sets[item.set_number] = item.set
            members.setdefault((item.set_number, item.set.subsets.index(item.subset)), []).append(item)
    return [
        Group(
            one,
            tuple(
                Folder(subset, tuple(members[number, place]))
                for place, subset in enumerate(one.subsets)
                if (number, place) in members
            ),
        )
        for number, one in sorted(sets.items())
    ]


def tables(items: Sequence[Item], accumulation: int) -> dict[str, str]:
    """All of them by their keys without `ss_`, as texts; `accumulation` batches make a step."""
    found = groups(items)
    dirs: dict[str, dict[str, int]] = {}
    for folder in (folder for group in found for folder in group.folders if not folder.subset.is_reg):
        dirs[_free(folder.name, dirs)] = folder.size
    frequency: dict[str, dict[str, int]] = {}
    for group in found:
        frequency = tag_frequency(group) | frequency
    flat = _of_one(found[0], accumulation) if len(found) == 1 else {}
    return {key: str(value) for key, value in flat.items()} | {
        "datasets": json.dumps([_dataset(group) for group in found]),
        "tag_frequency": json.dumps(frequency),
        "dataset_dirs": json.dumps(dirs),
    }


def tag_frequency(group: Group) -> dict[str, dict[str, int]]:
    """How many captions of each folder have a tag, lower-cased; a picture counts once, whatever its repeats."""
    found: dict[str, Counter[str]] = {}
    for folder in group.folders:
        counts = found.setdefault(folder.name, Counter())
        for item in folder.items:
            for caption in item.captions:
                counts.update(tag.strip().lower() for tag in caption.split(",") if tag.strip())
    return {name: dict(counts) for name, counts in found.items()}


def bucket_info(group: Group) -> dict[str, Any] | None:
    """How many pictures an epoch draws of each size, and how far off their shapes are; None without buckets."""
    if not group.set.buckets.enable:
        return None
    counts: Counter[tuple[int, int]] = Counter()
    for item in group.items:
        counts[item.fit.bucket_px] += 0 if item.subset.is_reg else item.subset.num_repeats
    entries = [
        Entry(str(item.path), (0, *item.fit.bucket_px), item.subset.num_repeats, 1, item.subset.is_reg)
        for item in group.items
    ]
    for (_, *size), num in reg_quotas(entries).items():
        counts[size[0], size[1]] += num
    rows = [{"resolution": size, "count": num} for size, num in sorted(counts.items()) if num]
    return {
        "buckets": {str(number): row for number, row in enumerate(rows)},
        "mean_img_ar_error": fmean(_shape_error(item) for item in group.items),
    }


def _shape_error(item: Item) -> float:
    bucket, size = item.fit.bucket_px, item.size_px
    return abs(bucket[0] / bucket[1] - size[0] / size[1])


def _free(name: str, taken: Mapping[str, object]) -> str:
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def _is_dreambooth(group: Group) -> bool:
    return not any(folder.subset.metadata_file for folder in group.folders)


def _dataset(group: Group) -> dict[str, Any]:
    rule = group.set.buckets
    return {
        "is_dreambooth": _is_dreambooth(group),
        "batch_size_per_device": group.set.batch_size,
        "num_train_images": group.num_draws(is_reg=False),
        "num_reg_images": group.num_draws(is_reg=True),
        "resolution": rule.resolution_px,
        "enable_bucket": rule.enable,
        "min_bucket_reso": rule.min_px,
        "max_bucket_reso": rule.max_px,
        "tag_frequency": tag_frequency(group),
        "bucket_info": bucket_info(group),
        "resize_interpolation": group.set.interpolation,
        "subsets": [_subset(folder, group) for folder in group.folders],
    }


def _subset(folder: Folder, group: Group) -> dict[str, Any]:
    subset, rule = folder.subset, folder.subset.captions
    told: dict[str, Any] = {
        "img_count": len(folder.items),
        "num_repeats": subset.num_repeats,
        "color_aug": subset.color_aug,
        "flip_aug": subset.flip_aug,
        "random_crop": subset.random_crop,
        "shuffle_caption": rule.shuffle_caption,
        "keep_tokens": rule.keep_tokens,
        "keep_tokens_separator": rule.keep_tokens_separator,
        "secondary_separator": rule.secondary_separator or None,
        "enable_wildcard": rule.enable_wildcard,
        "caption_prefix": rule.caption_prefix or None,
        "caption_suffix": rule.caption_suffix or None,
        "resize_interpolation": subset.interpolation or group.set.interpolation,
        "image_dir": subset.image_dir.name,
    }
    if _is_dreambooth(group):
        return told | {"class_tokens": subset.class_tokens or None, "is_reg": subset.is_reg}
    return told | {"metadata_file": subset.metadata_file.name if subset.metadata_file else None}


def _of_one(group: Group, accumulation: int) -> dict[str, object]:
    """What a run with folders tells, where there is one of everything."""
    rule, first = group.set.buckets, group.folders[0].subset
    regs = {folder.name: folder.size for folder in group.folders if folder.subset.is_reg}
    return {
        "batch_size_per_device": group.set.batch_size,
        "total_batch_size": group.set.batch_size * accumulation,
        "resolution": rule.resolution_px,
        "color_aug": first.color_aug,
        "flip_aug": first.flip_aug,
        "random_crop": first.random_crop,
        "shuffle_caption": first.captions.shuffle_caption,
        "enable_bucket": rule.enable,
        "bucket_no_upscale": rule.no_upscale,
        "min_bucket_reso": rule.min_px,
        "max_bucket_reso": rule.max_px,
        "keep_tokens": first.captions.keep_tokens,
        "reg_dataset_dirs": json.dumps(regs),
        "bucket_info": json.dumps(bucket_info(group)),
    }
