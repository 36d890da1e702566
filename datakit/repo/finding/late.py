"""The words of a query that need more than the index: other stages, locks, tokens, and how images look."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from datakit.errors import RepositoryError, StateError
from datakit.model.item import ImageRef, split_path
from datakit.model.order import RAW
from datakit.model.progress import Progress
from datakit.model.stage import Product
from datakit.repo.dataset import Dataset
from datakit.repo.finding.segment import Segment
from datakit.repo.items import STAGES_OF_ITEMS, item_files, known_keys, resolve_one
from datakit.repo.stagetree import read_lock
from datakit.tags.query.evaluating import bits_at, interval, rows_of
from datakit.tags.query.parsing import Between, Compare, Match, Near

_TOKENS_PREFIX: Final = "tokens:1:"
Counter = Callable[[str], int]

if TYPE_CHECKING:
    from datakit.images.hashes import Hashes


class LateWords:
    """Answers for one stage of one tree; what is asked for twice is looked up once."""

    def __init__(
        self, dataset: Dataset, root: bytes | None, stage: str, *, count_tokens: Counter, progress: Progress
    ) -> None:
        self._count = count_tokens
        self._dataset = dataset
        self._root = root
        self._stage = stage
        self._progress = progress
        self._in: dict[str, set[str]] = {}
        self._goals: dict[str, tuple[str, Hashes]] = {}

    def __call__(self, segment: Segment, node: Match | Compare | Between | Near, within: int) -> int:
        """Of the rows `within`, those that the word finds.

        Raises:
            UsageError: no such item.
            StateError: the item's image is not in this clone, or cannot be read.
        """
        if isinstance(node, Near):
            return self._near(segment, node, within)
        if isinstance(node, Compare | Between):
            return self._tokens(segment, node, within)
        found = 0
        for pattern in node.patterns:
            if node.word == "has" and pattern.text != "conflict":
                found |= segment.having("has", (pattern.text,))
                continue
            keys = self._conflicts if node.word == "has" else self._keys_in(pattern.text)
            found |= bits_at((row for row in rows_of(within) if segment.keys[row] in keys), segment.num_rows)
        return found

    @cached_property
    def _conflicts(self) -> set[str]:
        lock = read_lock(self._dataset, self._root, self._stage) if self._stage != RAW else None
        return {split_path(path)[0] for path in lock.conflicts} if lock else set()

    def _keys_in(self, stage: str) -> set[str]:
        if stage not in self._in:
            self._in[stage] = known_keys(self._dataset, self._root, [stage])
        return self._in[stage]

    def _tokens(self, segment: Segment, node: Compare | Between, within: int) -> int:
        captions = segment.column("caption")
        rows = rows_of(within & segment.having("has", ("caption",)))
        (low, high), is_inverted = interval(node)
        counts = token_counts(self._dataset, {captions[row] for row in rows}, self._count, self._progress)
        hits = (row for row in rows if (low <= counts[captions[row]] <= high) != is_inverted)
        return bits_at(hits, segment.num_rows)

    def _near(self, segment: Segment, node: Near, within: int) -> int:
        from datakit.images.lookalikes import Limits, alike  # loads numpy

        key, wanted = self._goal(node.item)
        blobs = {row: blob for row in rows_of(within) if (blob := segment.blob("image", row)) is not None}
        hashes = image_hashes(self._dataset, set(blobs.values()), self._progress)
        rows = [row for row, blob in blobs.items() if blob in hashes]
        like = alike(wanted, [hashes[blobs[row]] for row in rows], Limits(distance=node.distance))
        near = bits_at((row for row, is_near in zip(rows, like.tolist(), strict=True) if is_near), segment.num_rows)
        own = segment.row(key)
        return near if own is None else near & ~(1 << own)

    def _goal(self, word: str) -> tuple[str, Hashes]:
        """The item that is meant and its image's hashes: of this stage, or of the last that has it."""
        if word not in self._goals:
            address = resolve_one(self._dataset, self._root, word)
            stages = (address.stage or self._stage, *reversed(STAGES_OF_ITEMS))
            found = (item_files(self._dataset, self._root, stage, address.key).images for stage in stages)
            images = next(filter(None, found), None)
            hashes = image_hashes(self._dataset, {min(images.items())[1]}, self._progress) if images else {}
            if not hashes:
                raise StateError(f"{address.key}: its image cannot be looked at", hint="dsk pull, dsk verify")
            self._goals[word] = address.key, next(iter(hashes.values()))
        return self._goals[word]


def token_counts(dataset: Dataset, texts: Iterable[str], count: Counter, progress: Progress) -> Mapping[str, int]:
    """Caption → its number of tokens, counted once for each text."""
    names = {f"{_TOKENS_PREFIX}{_digest(text)}": text for text in texts}
    found = {names[name]: int.from_bytes(value, "big") for name, value in dataset.memo.get(names).items()}
    missing = [(name, text) for name, text in names.items() if text not in found]
    fresh: list[tuple[str, bytes]] = []
    for done, (name, text) in enumerate(missing, 1):
        progress("counting tokens", done, len(missing))
        found[text] = count(text)
        fresh.append((name, found[text].to_bytes(4, "big")))
    dataset.memo.put(fresh)
    return found


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def image_hashes(dataset: Dataset, blobs: Iterable[bytes], progress: Progress) -> Mapping[bytes, Hashes]:
    """Pointer's blob id → hashes of its image; those that cannot be read are left out."""
    refs = {blob: ref for blob in blobs if (ref := _image(dataset, blob)) is not None}
    hashes = look_hashes(dataset, refs.values(), progress)
    return {blob: hashes[ref.sha256] for blob, ref in refs.items() if ref.sha256 in hashes}


def look_hashes(dataset: Dataset, images: Iterable[ImageRef], progress: Progress) -> dict[str, Hashes]:
    """sha256 → hashes of each image, computed once for each content; those that cannot be read are left out.

    They are remembered as the look that stages ask, so that neither computes what the other did.
    """
    from datakit.images.hashes import from_facts
    from datakit.images.looks import HASHED
    from datakit.repo.transitions.inspecting import facts_of_images

    facts = facts_of_images(dataset, HASHED, images, _hashed, partial(progress, "looking at images"))
    found = {sha256: from_facts(one) for sha256, one in facts.items()}
    return {sha256: hashes for sha256, hashes in found.items() if hashes is not None}


def _image(dataset: Dataset, blob: bytes) -> ImageRef | None:
    try:
        return dataset.image_ref(f"{RAW}/x.png", blob)
    except RepositoryError:
        return None  # an image that is not committed yet has no pointer


def _hashed(data: bytes) -> Product:
    from datakit.images.decode import UnreadableImage
    from datakit.images.hashes import hash_file, to_facts

    try:
        return Product(facts=to_facts(hash_file(data)))
    except UnreadableImage as error:
        return Product(facts={"unreadable": error.reason})
