"""Names for what an import brings: who holds which name in raw, and which item an image is already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

import msgspec

from datakit.actions.ingesting import Picture
from datakit.model.item import ImageRef, concept_of
from datakit.model.naming import one_line, safe_name
from datakit.model.order import RAW
from datakit.repo.dataset import Dataset
from datakit.repo.posts import Posts, post_of
from datakit.repo.stagetree import ItemFiles


class Holder(msgspec.Struct):
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


class Names:
    """Every name of raw, and of what the import adds."""

    def __init__(self, dataset: Dataset, items: Mapping[str, ItemFiles], posts: Posts) -> None:
        self._dataset = dataset
        self._posts = posts
        self._keys = _keys_by_image(items)
        self._taken = dict(_taken(items))
        self._captions = _captions(items)

    def holder(self, name: str) -> Holder:
        """Who holds a name, upper and lower case alike; a new holder where nobody does."""
        return self._taken.setdefault(name.casefold(), Holder(name))

    def has_caption(self, concept: str, blob: bytes) -> bool:
        """Whether a concept had this caption before the import, perhaps under a name that lint gave it."""
        return blob in self._captions.get(concept, ())

    def by_name(self, ref: ImageRef, names: Iterable[str]) -> tuple[Holder, str] | None:
        """(The item that has one of an image's names, and its content, `name`)."""
        for name in names:
            holder = self._taken.get(name.casefold())
            if holder is not None and self._sha256(holder) == ref.sha256:
                return holder, "name"
        return None

    def by_origin(self, row: Picture, content: Iterable[str]) -> tuple[Holder, str] | None:
        """(The item that an image is already, how it is known), of those with its content.

        Renamed since it came from this file (`file`), or the same post from elsewhere (`post`).
        """
        same = self._posts.of_post(post_of(row.found.scraped)) if row.frame is None else []
        for key in content:
            if self._is_from(key, row):
                return self._taken[key.casefold()], "file"
            if key in same:
                return self._taken[key.casefold()], "post"
        return None

    def of_content(self, ref: ImageRef) -> list[str]:
        """Items whose image is this very content, as raw has it now."""
        here = [*self._keys.get(self._dataset.pointer_blob(ref), ()), *self._posts.of_content(ref.sha256)]
        return [key for key in dict.fromkeys(here) if self._sha256(self._taken[key.casefold()]) == ref.sha256]

    def left_behind(self, row: Picture, ref: ImageRef, names: Iterable[str]) -> Holder | None:
        """The item whose record is of this very image, under its name or from its file, and whose image is gone."""
        for key in self._posts.of_content(ref.sha256):
            holder = self._taken[key.casefold()]
            if not holder.has_image and (key in names or self._is_from(key, row)):
                return holder
        return None

    def _is_from(self, key: str, row: Picture) -> bool:
        """Whether an item's record names this file as where its image came from.

        The same folder may be imported from further up or further down, so one path may be the end of the other.
        """
        origin = self._posts.origins.get(key)
        if origin is None or key not in self._posts.before:
            return False
        paths = sorted((f"/{one_line(origin.original)}", f"/{one_line(row.found.image)}"), key=len)
        return paths[1].endswith(paths[0])

    def _sha256(self, holder: Holder) -> str:
        """Of the image that has the name; its pointer is read when it is asked for, since most never are."""
        if not holder.image and holder.blob is not None:
            ref = self._dataset.image_ref(f"{RAW}/{holder.path}", holder.blob)
            holder.image = ref.sha256 if ref else holder.blob.hex()
        return holder.image


def named(row: Picture, *, concept: str, root: str) -> tuple[str, str]:
    """Concept and stem that a file's own name, or its source, says; `concept` is what a person wants for all."""
    folder, _, stem = row.stem.rpartition("/")
    return concept or row.found.concept or folder.rpartition("/")[2] or root, stem


def portable(concept: str, stem: str) -> str:
    """The item key for a concept and stem."""
    return f"{_safe_concept(concept)}/{safe_name(stem)}"


_safe_concept = lru_cache(safe_name)


def wanted_names(key: str, digest: str) -> tuple[str, str, str]:
    """A name, and what it becomes where other content has it."""
    return key, f"{key}-{digest[:6]}", f"{key}-{digest}"


def _captions(items: Mapping[str, ItemFiles]) -> dict[str, set[bytes]]:
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


def _taken(items: Mapping[str, ItemFiles]) -> Iterator[tuple[str, Holder]]:
    """Case-folded item key → what raw holds under it."""
    found: dict[str, Holder] = {}
    for key, item in items.items():
        holder = found.setdefault(key.casefold(), Holder(key))
        holder.caption, holder.has_record = item.caption or holder.caption, item.record is not None
        for path, blob in item.images.items():
            holder.path, holder.blob = path, blob
    yield from found.items()
