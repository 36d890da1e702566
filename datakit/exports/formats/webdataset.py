"""webdataset: numbered tar files that are read from the beginning to the end, for large datasets and fast disks.

Writes `<split>-000000.tar` and so on. Each image is `<key>.<ext>` with `<key>.txt`, its caption, and `<key>.json`: the
caption's facts such as concept, repeats, loss_weight, is_reg, width, height, sha256; with `records` also what the site
says; a mask is `<key>.mask.png`. A key is `<subset>_<stem>` without dots and slashes: webdataset takes what follows
the first dot for the kind of file. The files of one key follow each other, which readers rely on.

Shards are read one after the other, so images of all concepts are mixed, always in the same order; `mixed = false`
keeps them by concept. Repeats and loss weights stand in the JSON: the reader's code has to look at them.

Hugging Face datasets reads these shards too, if all images are of one kind (all PNG, say): it takes the columns from
the first images. webdataset itself does not care.

Source: webdataset/webdataset src/webdataset/tariterators.py (base_plus_ext, group_by_keys); huggingface/datasets
src/datasets/packaged_modules/webdataset/webdataset.py.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import msgspec

from datakit.exports.arranging import unique_names
from datakit.exports.model import Export, Material, Pack, Plan, Read
from datakit.exports.rows import HELD, SPLITS, Member, digest_of, members, row_of, sharded, split_of
from datakit.exports.settings import Positive
from datakit.model.item import ImageRef
from datakit.model.record import encode_json


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.webdataset]`."""

    shard_bytes: Positive = 1_000_000_000
    """Most bytes of images in a shard; a larger image has one to itself."""
    shard_images: Positive = 10_000
    """Most images in a shard."""
    mixed: bool = True
    """Mix the concepts, in an order that is always the same."""
    records: bool = False
    """Rating, site, post_id, source, artist, character and copyright in the JSON, from the records."""


class _Sample(NamedTuple):
    key: str
    image: ImageRef
    mask: ImageRef | None
    facts: dict[str, Any]


def _plan(material: Material) -> Plan:
    settings = material.settings
    found = list(members(material))
    keys = dict(zip((one.item.key for one in found), _keys(found), strict=True))
    packs: dict[str, Pack] = {}
    items: dict[str, str] = {}
    for split in SPLITS:
        chosen = [one for one in found if split_of(one.subset) == split]
        ordered = sorted(chosen, key=lambda one: _place(one.item.key)) if settings.mixed else chosen
        shards = sharded(ordered, most_bytes=settings.shard_bytes, most_images=settings.shard_images)
        for number, shard in enumerate(shards):
            path = f"{split}-{number:06}.tar"
            samples = [_sample(member, material, keys[member.item.key]) for member in shard]
            packs[path] = Pack(digest=digest_of(*samples), write=partial(_write, samples))
            items |= dict.fromkeys((member.item.key for member in shard), path)
    return Plan(packs=packs, items=items, warnings=tuple(_warnings(found)))


def _keys(found: Sequence[Member]) -> list[str]:
    """A key for each: no dot and no slash, and no two alike in any case."""
    return unique_names([f"{subset.name}_{item.name}".replace(".", "_").replace("/", "_") for subset, item in found])


def _place(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "backslashreplace")).digest()


def _sample(member: Member, material: Material, key: str) -> _Sample:
    facts = {"key": key, **row_of(member, material, records=material.settings.records)}
    return _Sample(key, member.item.image, member.item.mask, facts)


def _write(samples: Sequence[_Sample], file: BinaryIO, read: Read) -> None:
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:
        for sample in samples:
            for name, data in _files(sample, read):
                member = tarfile.TarInfo(name)  # of nobody, from 1970: the same bytes each time
                member.size = len(data)
                member.mode = 0o644
                tar.addfile(member, io.BytesIO(data))


def _files(sample: _Sample, read: Read) -> Iterator[tuple[str, bytes]]:
    yield f"{sample.key}.{sample.image.extension}", read(sample.image)
    yield f"{sample.key}.txt", str(sample.facts["text"]).encode("utf-8", "backslashreplace")
    yield f"{sample.key}.json", encode_json(sample.facts)
    if sample.mask is not None:
        yield f"{sample.key}.mask.png", read(sample.mask)


def _warnings(found: Sequence[Member]) -> Iterator[str]:
    kinds = sorted({member.item.image.extension for member in found})
    if len(kinds) > 1:
        yield f"images of several kinds ({', '.join(kinds)}): webdataset reads them, Hugging Face datasets does not"
    masked = sum(member.item.mask is not None for member in found)
    if 0 < masked < len(found):
        yield "some images have a mask and some have none: Hugging Face datasets does not read such shards"


EXPORT = Export(
    name="webdataset",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=1,
    can=HELD,
    needs_records=lambda settings: bool(settings.records),
    needs_sizes=lambda settings: True,
    settings=Settings,
    plan=_plan,
)
