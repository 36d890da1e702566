"""Which post each item came from: by site and id, by md5, by content; so that newer metadata finds its item."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from datakit.errors import InputError
from datakit.model.item import ImageRef, stem_of
from datakit.model.order import RAW
from datakit.model.record import Record, Scraped, decode_record
from datakit.repo.dataset import Dataset
from datakit.repo.stagetree import ItemFiles
from datakit.store.parallel import spread

_MEMO: Final = "post:1:"
_MD5_MEMO: Final = "md5:"
_MD5: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", re.IGNORECASE)
_SHA256: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", re.IGNORECASE)


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """What a record says of where its image is from."""

    site: str
    post_id: str
    page: int | None
    md5: str
    sha256: str
    original: str
    is_part: bool = False
    """Whether it is a part of another item's image, and so no post."""

    @property
    def post(self) -> Post | None:
        """The image's post; None for an image of no known post."""
        return (self.site, self.post_id, self.page) if self.post_id else None


Post = tuple[str, str, int | None]
"""(site, post id, page) names one image of one site."""


def post_of(scraped: Scraped | None) -> Post | None:
    """The post that metadata speaks of; None where it has no id."""
    return (scraped.site, scraped.post_id, scraped.page) if scraped is not None and scraped.post_id else None


class Posts:
    """The items of raw by what identifies them, as records say; kept up while an import adds items."""

    def __init__(self, dataset: Dataset, items: Mapping[str, ItemFiles]) -> None:
        self._dataset = dataset
        self._images = {key: next(iter(item.images.items())) for key, item in items.items() if item.images}
        self.origins = dict(_origins(dataset, {key: item.record for key, item in items.items() if item.record}))
        self.before = frozenset(self.origins)
        """Items that were there before the import."""
        self._by_post: dict[Post, list[str]] = defaultdict(list)
        self._by_id: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._by_md5: dict[str, list[str]] = defaultdict(list)
        self._by_sha256: dict[str, list[str]] = defaultdict(list)
        for key, origin in self.origins.items():
            self._enter(key, origin)
        self._hashed = False

    def add(self, key: str, scraped: Scraped, sha256: str, original: str) -> None:
        """Enter an item that the import makes."""
        self.origins[key] = Origin(scraped.site, scraped.post_id, scraped.page, scraped.md5, sha256, original)
        self._enter(key, self.origins[key])

    def _enter(self, key: str, origin: Origin) -> None:
        if origin.post:
            self._by_post[origin.post].append(key)
            self._by_id[origin.site, origin.post_id].append(key)
        if origin.md5:
            self._by_md5[origin.md5].append(key)
        self._by_sha256[origin.sha256].append(key)

    def of_post(self, post: Post | None) -> list[str]:
        """Items of a post's image."""
        return self._by_post.get(post, []) if post else []

    def of_all_pages(self, scraped: Scraped) -> list[str]:
        """Items of a post's images, for metadata that speaks of the post and of no one page."""
        is_whole = scraped.post_id and scraped.page is None
        return self._by_id.get((scraped.site, scraped.post_id), []) if is_whole else []

    def of_content(self, sha256: str) -> list[str]:
        """Items with that very image as it was imported."""
        return self._by_sha256.get(sha256, [])

    def of_said_md5(self, md5: str) -> list[str]:
        """Items whose site says this md5."""
        return self._by_md5.get(md5, []) if md5 else []

    def of_md5(self, md5: str) -> list[str]:
        """Items whose site says this md5, or else, and only then looked into, whose image has it."""
        if md5 and md5 not in self._by_md5 and not self._hashed:
            self._hash()
        return self.of_said_md5(md5)

    def matching(self, scraped: Scraped, path: str) -> list[str]:
        """Items that loose metadata belongs to: by post, by md5, by a hash in the file's name."""
        keys = self.of_post(post_of(scraped)) or self.of_all_pages(scraped) or self.of_md5(scraped.md5)
        name = path.rpartition("/")[2].lower()
        if not keys and (found := _SHA256.search(name)):
            keys = self.of_content(found[0])
        if not keys and (found := _MD5.search(name)):
            keys = self.of_md5(found[0])
        return list(keys)

    def _hash(self) -> None:
        """md5 of the images of which no site says it, remembered by content."""
        self._hashed = True
        wanted = [
            key for key, origin in self.origins.items() if not (origin.md5 or origin.is_part) and key in self._images
        ]
        names = {f"{_MD5_MEMO}{self.origins[key].sha256}": key for key in wanted}
        known = self._dataset.memo.get(names)
        missing = [name for name in names if name not in known]
        made = dict(zip(missing, spread(lambda name: self._md5(names[name]), missing), strict=True))
        self._dataset.memo.put((name, md5.encode()) for name, md5 in made.items() if md5)
        by_content = {name: value.decode() for name, value in known.items()} | made
        for key in wanted:
            md5 = by_content[f"{_MD5_MEMO}{self.origins[key].sha256}"]
            if md5:
                self._by_md5[md5].append(key)
            stem = _MD5.fullmatch(stem_of(key))
            if stem and stem[0].lower() != md5:
                self._by_md5[stem[0].lower()].append(key)

    def _md5(self, key: str) -> str:
        path, blob = self._images[key]
        ref: ImageRef | None = self._dataset.image_ref(f"{RAW}/{path}", blob)
        if ref is None:
            return ""
        try:
            with self._dataset.lfs.path(ref.sha256).open("rb") as file:
                return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        except OSError:
            return ""  # an image that this clone lacks


def _origins(dataset: Dataset, records: Mapping[str, bytes]) -> Iterator[tuple[str, Origin]]:
    """Key → origin of every record that can be read, remembered by the record's blob."""
    names = {key: f"{_MEMO}{blob.hex()}" for key, blob in records.items()}
    known = dataset.memo.get(set(names.values()))
    decoder = msgspec.msgpack.Decoder(Origin)
    fresh: dict[str, bytes] = {}
    for key, name in names.items():
        if name in known:
            yield key, decoder.decode(known[name])
            continue
        try:
            record = decode_record(dataset.objects.read(records[key]), path=f"{RAW}/{key}.json", upstream=False)
        except InputError:
            continue  # the stages and lint tell of it
        fresh[name] = msgspec.msgpack.encode(_origin(record))
        yield key, _origin(record)
    dataset.memo.put(fresh.items())


def _origin(record: Record) -> Origin:
    if record.derived is not None:  # a part of a post's image is no post, whatever its record says
        return Origin("", "", None, "", record.sha256, record.original, is_part=True)
    return Origin(record.site, record.post_id, record.page, record.md5, record.sha256, record.original)


def known_md5(scraped: Scraped | None) -> str:
    """The md5 that metadata names; '' where it has none, or something else."""
    return scraped.md5 if scraped is not None and _MD5.fullmatch(scraped.md5) else ""
